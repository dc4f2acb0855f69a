import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import type { SocketAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { crc32c } from "./crc32c.ts";
import { invalid, tlvCrc32c, tlvUniqueId } from "./header.ts";
import type { ProxyHeader, ReadResult, Tlv } from "./header.ts";

const signature = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const fixedBytes = 16; // signature, version and command, family, length
const tlvBytesMax = 4_096; // far above what senders use (names, TLS details); more is no header
const uniqueIdBytesMax = 128; // proxy-protocol.txt §2.2.5
const unspecified = 0x00;
const tcp4 = 0x11;
const tcp6 = 0x21;

/** Bytes of the two addresses of each family that may begin a stream: unspecified, TCP over IPv4 and IPv6, UNIX stream. */
const addressBytesOf: Readonly<Record<number, number>> = { [unspecified]: 0, [tcp4]: 12, [tcp6]: 36, 0x31: 216 };
const datagramFamilies: readonly number[] = [0x12, 0x22, 0x32];
const lengthMax = 216 + tlvBytesMax;

/** Writes the binary header. Without both addresses, or for LOCAL, the family is unspecified.
 * @see proxy-protocol.txt §2.2 */
export function writeV2(header: ProxyHeader): Buffer {
  const addresses = addressesOf(header);
  const tlvs = header.tlvs.map(writeTlv);
  const length = addresses.bytes.length + tlvs.reduce((sum, tlv) => sum + tlv.length, 0);
  assert(length <= lengthMax, `a PROXY header of ${length} bytes`);
  const fixed = Buffer.alloc(fixedBytes);
  signature.copy(fixed);
  fixed[12] = header.command === "LOCAL" ? 0x20 : 0x21;
  fixed[13] = addresses.family;
  fixed.writeUInt16BE(length, 14);
  return Buffer.concat([fixed, addresses.bytes, ...tlvs]);
}

function addressesOf({ command, source, destination }: ProxyHeader): { family: number; bytes: Uint8Array } {
  if (command === "LOCAL" || !source || !destination) return { family: unspecified, bytes: new Uint8Array(0) };
  const sourceBytes = hostBytes(source);
  const destinationBytes = hostBytes(destination);
  const isV6 = sourceBytes.length === 16 || destinationBytes.length === 16;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const hosts = [sourceBytes, destinationBytes].map((bytes) => (isV6 ? asIpv6(bytes) : bytes));
  return { family: isV6 ? tcp6 : tcp4, bytes: Buffer.concat([...hosts, ports]) };
}

function hostBytes(address: SocketAddress): Uint8Array {
  const bytes = parseAddress(address.host);
  assert(bytes, `${address.host} is an IP address`);
  return bytes;
}

/** An IPv4 address as ::ffff:a.b.c.d. */
function asIpv6(bytes: Uint8Array): Uint8Array {
  return bytes.length === 16 ? bytes : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);
}

function writeTlv(tlv: Tlv): Uint8Array {
  const head = Uint8Array.of(tlv.type, tlv.value.length >> 8, tlv.value.length & 0xff);
  return Buffer.concat([head, tlv.value]);
}

/** Reads the header at the start of `bytes`. What cannot become a header any more is invalid at once. */
export function readV2(bytes: Buffer): ReadResult {
  const known = Math.min(bytes.length, signature.length);
  if (bytes.compare(signature, 0, known, 0, known) !== 0) return invalid("the v2 signature is not there");
  if (bytes.length < fixedBytes) return { state: "more" };
  const command = bytes[12] === 0x20 ? "LOCAL" : bytes[12] === 0x21 ? "PROXY" : undefined;
  if (!command) return invalid("the version is not 2, or the command neither LOCAL nor PROXY");
  const family = bytes[13] ?? 0;
  const length = bytes.readUInt16BE(14);
  if (length > lengthMax) return invalid(`${length} bytes of addresses and TLVs, more than ${lengthMax}`);
  const why = command === "PROXY" ? refuseFamily(family, length) : undefined;
  if (why !== undefined) return invalid(why);
  if (bytes.length < fixedBytes + length) return { state: "more" };
  const whole = bytes.subarray(0, fixedBytes + length);
  const header = command === "PROXY" ? readProxied(whole, family) : readLocal(whole, family);
  return typeof header === "string" ? invalid(header) : { state: "done", header, bytesRead: whole.length };
}

function refuseFamily(family: number, length: number): string | undefined {
  if (datagramFamilies.includes(family)) return "a datagram family on a stream";
  const addressBytes = addressBytesOf[family];
  if (addressBytes === undefined) return `unknown family 0x${family.toString(16).padStart(2, "0")}`;
  return length < addressBytes ? `${length} bytes are too few for the addresses` : undefined;
}

/** LOCAL, and the unspecified family: the block must be accepted whatever it holds (§2.2), so broken TLVs count as none. */
function readLocal(whole: Buffer, family: number): ProxyHeader {
  const start = fixedBytes + (addressBytesOf[family] ?? whole.length);
  const tlvs = readTlvs(whole, Math.min(start, whole.length));
  return { version: "v2", command: "LOCAL", tlvs: typeof tlvs === "string" ? [] : tlvs };
}

/** @returns the header, or why it is none */
function readProxied(whole: Buffer, family: number): ProxyHeader | string {
  const tlvs = readTlvs(whole, fixedBytes + (addressBytesOf[family] ?? 0));
  if (typeof tlvs === "string") return tlvs;
  if (family !== tcp4 && family !== tcp6) return { version: "v2", command: "PROXY", tlvs };
  const hostLength = family === tcp4 ? 4 : 16;
  const portsAt = fixedBytes + 2 * hostLength;
  return {
    version: "v2",
    command: "PROXY",
    source: { host: hostAt(whole, fixedBytes, hostLength), port: whole.readUInt16BE(portsAt) },
    destination: { host: hostAt(whole, fixedBytes + hostLength, hostLength), port: whole.readUInt16BE(portsAt + 2) },
    tlvs,
  };
}

/** The address as text; one inside ::ffff:0:0/96 as IPv4. */
function hostAt(whole: Buffer, at: number, length: number): string {
  const text = formatAddress(Uint8Array.from(whole.subarray(at, at + length)));
  const bytes = parseAddress(text);
  assert(bytes, `${text} came from bytes`);
  return formatAddress(bytes);
}

/** @returns the TLVs from `start` to the end, or why they are broken */
function readTlvs(whole: Buffer, start: number): readonly Tlv[] | string {
  if (whole.length - start > tlvBytesMax) return `more than ${tlvBytesMax} bytes of TLVs`;
  const tlvs: Tlv[] = [];
  for (let at = start; at < whole.length;) {
    if (at + 3 > whole.length) return "a TLV is cut off";
    const type = whole[at] ?? 0;
    const valueAt = at + 3;
    const end = valueAt + whole.readUInt16BE(at + 1);
    if (end > whole.length) return "a TLV is longer than the header";
    if (type === tlvUniqueId && end - valueAt > uniqueIdBytesMax) return "a unique id of more than 128 bytes";
    if (type === tlvCrc32c && !checksumHolds(whole, valueAt, end)) return "the CRC32c checksum is wrong";
    tlvs.push({ type, value: Uint8Array.from(whole.subarray(valueAt, end)) });
    at = end;
  }
  return tlvs;
}

/** The checksum is over the whole header with its own four bytes as 0. @see proxy-protocol.txt §2.2.3 */
function checksumHolds(whole: Buffer, valueAt: number, end: number): boolean {
  if (end - valueAt !== 4) return false;
  const zeroed = Buffer.from(whole).fill(0, valueAt, end);
  return crc32c(zeroed) === whole.readUInt32BE(valueAt);
}
