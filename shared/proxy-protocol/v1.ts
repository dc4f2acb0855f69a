import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { invalid } from "./header.ts";
import type { ProxyHeader, ReadResult } from "./header.ts";

const lineBytesMax = 107; // proxy-protocol.txt §2.1: the longest line, CRLF counted
const prefix = Buffer.from("PROXY ");
const cr = 0x0d;
const lf = 0x0a;

/** Writes the line. A header without both addresses becomes UNKNOWN. Addresses are written as TCP6 where one of them is IPv6.
 * @see proxy-protocol.txt §2.1 */
export function writeV1(header: ProxyHeader): Buffer {
  const { source, destination } = header;
  if (header.command === "LOCAL" || !source || !destination) return Buffer.from("PROXY UNKNOWN\r\n");
  const isV6 = source.host.includes(":") || destination.host.includes(":");
  const text = (host: string) => (isV6 && !host.includes(":") ? `::ffff:${host}` : host);
  const hosts = `${text(source.host)} ${text(destination.host)}`;
  return Buffer.from(`PROXY ${isV6 ? "TCP6" : "TCP4"} ${hosts} ${source.port} ${destination.port}\r\n`);
}

/** Reads the line at the start of `bytes`. What cannot become a header any more is invalid at once. */
export function readV1(bytes: Buffer): ReadResult {
  const known = Math.min(bytes.length, prefix.length);
  if (bytes.compare(prefix, 0, known, 0, known) !== 0) return invalid('the line does not begin with "PROXY "');
  const end = endOfLine(bytes);
  if (end === -2) return invalid("a byte other than printable ASCII in the line");
  if (end === -1) {
    return bytes.length >= lineBytesMax ? invalid(`no CRLF in the first ${lineBytesMax} bytes`) : { state: "more" };
  }
  const header = readLine(bytes.toString("latin1", prefix.length, end));
  return typeof header === "string" ? invalid(header) : { state: "done", header, bytesRead: end + 2 };
}

/** @returns where CRLF begins; -1 if it is not there yet, -2 if another control byte or a byte over 0x7e is */
function endOfLine(bytes: Buffer): number {
  const length = Math.min(bytes.length, lineBytesMax);
  for (let i = prefix.length; i < length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x20 && byte <= 0x7e) continue;
    if (byte !== cr) return -2;
    if (i + 1 >= length) return -1;
    return bytes[i + 1] === lf ? i : -2;
  }
  return -1;
}

/** @returns the header, or why the line is none */
function readLine(line: string): ProxyHeader | string {
  const parts = line.split(" ");
  // Whatever follows UNKNOWN is to be ignored (§2.1).
  if (parts[0] === "UNKNOWN") return { version: "v1", command: "LOCAL", tlvs: [] };
  const [protocol = "", sourceHost = "", destinationHost = "", sourcePort = "", destinationPort = ""] = parts;
  if (protocol !== "TCP4" && protocol !== "TCP6") return "the protocol is none of TCP4, TCP6, UNKNOWN";
  if (parts.length !== 5) return "the line must have two addresses and two ports, each behind one space";
  const hosts = [sourceHost, destinationHost].map((host) => readHost(host, protocol));
  const ports = [sourcePort, destinationPort].map(readPort);
  if (hosts[0] === undefined || hosts[1] === undefined) return `an address is not one of ${protocol}`;
  if (ports[0] === undefined || ports[1] === undefined) return "a port is not 0..65535 without leading zeros";
  return {
    version: "v1",
    command: "PROXY",
    source: { host: hosts[0], port: ports[0] },
    destination: { host: hosts[1], port: ports[1] },
    tlvs: [],
  };
}

function readHost(text: string, protocol: "TCP4" | "TCP6"): string | undefined {
  if (text.includes(":") !== (protocol === "TCP6")) return undefined;
  const bytes = parseAddress(text);
  return bytes && formatAddress(bytes);
}

function readPort(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}
