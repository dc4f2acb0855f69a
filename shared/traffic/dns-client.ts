import dgram from "node:dgram";
import { Packet } from "dns2";
import { formatSocketAddress, maskAddress } from "#shared/core/cidr.ts";
import type { Cidr, SocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";

const traceOption = 65_001; // RFC 6891 §9: 65001 to 65534 are for local use
const clientSubnetOption = 8; // RFC 7871 §6
const payloadBytes = 1_232; // one Ethernet frame over IPv6, as agreed on the DNS flag day of 2020

export interface DnsQuery {
  readonly name: string;
  readonly type: "A" | "AAAA";
  readonly id: number;
  /** The decision of this query is recorded under it; without one it is not recorded. */
  readonly traceId?: string;
  /** Sent as EDNS Client Subnet. */
  readonly subnet?: Cidr | undefined;
}

export interface DnsAnswer {
  /** NOERROR, NXDOMAIN ... */
  readonly rcode: string;
  readonly truncated: boolean;
  /** In the order of the answer. */
  readonly addresses: readonly string[];
  /** Lowest of the answer, seconds; null where there is none. */
  readonly ttlSeconds: number | null;
  /** Scope of the client subnet that came back; null if none did. */
  readonly scope: number | null;
}

/** Asks one name server once over UDP.
 * @throws {TrafficError} TIMEOUT, CONNECT_FAILED (nobody listens there), UPSTREAM_INVALID */
export async function askDns(
  query: DnsQuery,
  server: SocketAddress,
  options: { readonly localAddress: string; readonly timeoutMs: number },
): Promise<DnsAnswer> {
  const address = formatSocketAddress(server.host, server.port);
  const socket = dgram.createSocket("udp4");
  try {
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(failure("TIMEOUT", `${address}: no answer in ${options.timeoutMs} ms`)),
        options.timeoutMs,
      );
      socket.on("close", () => clearTimeout(timer));
      socket.on("error", (cause) => reject(failure("CONNECT_FAILED", `${address}: ${messageOf(cause)}`, cause)));
      // Connected: the kernel drops what others send here, and reports a port where nobody listens.
      socket.on("connect", () => socket.send(encodeQuery(query)));
      socket.on("message", (message) => {
        const answer = decodeAnswer(message, query);
        if (answer === undefined) return; // An answer to another question: ours may still come.
        if (answer instanceof TrafficError) reject(answer);
        else resolve(answer);
      });
      socket.bind({ address: options.localAddress }, () => socket.connect(server.port, server.host));
    });
  } finally {
    socket.close();
  }
}

/** The wire form of a query: recursion not wanted, and always with EDNS. */
export function encodeQuery(query: DnsQuery): Buffer {
  const packet = new Packet(new Packet.Header({ id: query.id, rd: 0 }));
  packet.questions.push(new Packet.Question(query.name, Packet.TYPE[query.type], Packet.CLASS.IN));
  const message = packet.toBuffer();
  message.writeUInt16BE(1, 10); // ARCOUNT; dns2 does not write options that it does not know, so the OPT is ours.
  return Buffer.concat([message, encodeOpt(query)]);
}

/** @see RFC 6891 §6.1.2 */
function encodeOpt(query: DnsQuery): Buffer {
  const options: Buffer[] = [];
  if (query.traceId !== undefined) options.push(encodeOption(traceOption, Buffer.from(query.traceId, "ascii")));
  if (query.subnet) options.push(encodeOption(clientSubnetOption, encodeSubnet(query.subnet)));
  const data = Buffer.concat(options);
  const head = Buffer.alloc(11); // root name, then type, payload size, extended rcode and flags (0), length
  head.writeUInt16BE(Packet.TYPE.EDNS, 1);
  head.writeUInt16BE(payloadBytes, 3);
  head.writeUInt16BE(data.length, 9);
  return Buffer.concat([head, data]);
}

function encodeOption(code: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(code, 0);
  head.writeUInt16BE(value.length, 2);
  return Buffer.concat([head, value]);
}

/** Only as many octets as the prefix needs. @see RFC 7871 §6 */
function encodeSubnet({ bytes, prefix }: Cidr): Buffer {
  const family = bytes.length === 4 ? 1 : 2;
  return Buffer.concat([
    Buffer.of(0, family, prefix, 0),
    maskAddress(bytes, prefix).subarray(0, Math.ceil(prefix / 8)),
  ]);
}

/** @returns undefined if it answers another question; an error if it cannot be read */
export function decodeAnswer(message: Buffer, query: DnsQuery): DnsAnswer | TrafficError | undefined {
  let packet: Packet;
  try {
    packet = Packet.parse(message);
  } catch (cause) {
    return failure("UPSTREAM_INVALID", `the answer cannot be read: ${messageOf(cause)}`, cause);
  }
  if (packet.header.id !== query.id || packet.header.qr !== 1) return undefined;
  const broken = packet.errors[0];
  if (broken) return failure("UPSTREAM_INVALID", `the answer cannot be read: ${broken.message}`, broken);
  const addresses = packet.answers.filter((record) => record.type === Packet.TYPE[query.type]);
  const ttls = packet.answers.map((record) => record.ttl);
  return {
    rcode: rcodeName(packet.header.rcode),
    truncated: packet.header.tc === 1,
    addresses: addresses.map((record) => record.address ?? ""),
    ttlSeconds: ttls.length > 0 ? Math.min(...ttls) : null,
    scope: scopeOf(packet),
  };
}

function rcodeName(code: number): string {
  return Object.entries(Packet.RCODE).find(([, known]) => known === code)?.[0] ?? `RCODE${code}`;
}

function scopeOf(packet: Packet): number | null {
  for (const record of packet.additionals) {
    if (record.type !== Packet.TYPE.EDNS) continue;
    for (const option of record.rdata ?? [])
      if (option.ednsCode === clientSubnetOption && "scopePrefixLength" in option)
        return Number(option.scopePrefixLength);
  }
  return null;
}

/** The subnet that a resolver would send for a client: enough to place it, too little to know it. RFC 7871 §11.1 gives /56 for
 * IPv6, but dns2 cannot read the 7 octets of it when they come back. */
export function subnetOf(address: Uint8Array): Cidr {
  const prefix = address.length === 4 ? 24 : 48;
  return { bytes: maskAddress(address, prefix), prefix };
}

function failure(reason: "TIMEOUT" | "CONNECT_FAILED" | "UPSTREAM_INVALID", message: string, cause?: unknown) {
  return new TrafficError(reason, message, { origin: "upstream", cause });
}
