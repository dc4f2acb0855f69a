import { tcpBytesMax } from "./body.ts";
import type { Body } from "./body.ts";
import { optionCodes, rcodes, types } from "./codes.ts";
import { headerBytes } from "./query.ts";
import type { Query } from "./query.ts";
import { paddingBlockBytes, paddingBytes } from "./options.ts";
import type { Reception } from "./reception.ts";
import { tsigErrorBytes, writeTsigError } from "./tsig.ts";

/** What we say we take over UDP, and the most we send: fits an IPv6 path without fragments (DNS flag day 2020). */
export const udpBytesMax = 1_232;
const optFixedBytes = 11; // owner, type, class, TTL, length

/** An extended DNS error, encoded: code and a short ASCII text. @see RFC 8914 §2 */
export function encodeExtendedError(code: number, text: string): Uint8Array {
  return Uint8Array.of(code >> 8, code & 0xff, ...Buffer.from(text, "latin1"));
}

/** What a reply says beside its body. */
export interface ReplyHead {
  readonly rcode: number;
  readonly authoritative: boolean;
  /** Of `encodeExtendedError`. */
  readonly extendedError?: Uint8Array | undefined;
  /** The query takes compact denial, and the answer is signed. */
  readonly compactOk?: boolean | undefined;
}

/** What every reply of a server may carry. */
export interface ReplyExtras {
  /** Given to those who ask for it. */
  readonly nsid: Uint8Array | undefined;
}

/** Bytes of the OPT that this query gets, and of the TSIG behind it; 0 without EDNS or a signature. */
export function optBytes(
  query: Query,
  { rcode, extendedError }: ReplyHead,
  { nsid }: ReplyExtras,
  reception: Reception,
): number {
  const signatureBytes = rcode === rcodes.NOTAUTH ? tsigErrorBytes(query.message, query.tsigAt) : 0;
  if (!query.hasEdns) return signatureBytes;
  let bytes = optFixedBytes + signatureBytes;
  if (query.wantsNsid && nsid) bytes += 4 + nsid.length;
  if (query.subnetAt > 0) bytes += 4 + query.subnetLength;
  if (extendedError) bytes += 4 + extendedError.length;
  return bytes + reception.optionBytes;
}

/** Writes a reply: header, the question as it came, the body, and an OPT where the query had one.
 * @param out takes it from 0; as long as the largest message
 * @param scopePrefix leading bits of the client's address that the answer depends on
 * @param withAdditional the additional section fits
 * @returns its length, bytes */
export function writeReply(
  out: Uint8Array,
  query: Query,
  head: ReplyHead,
  body: Body,
  scopePrefix: number,
  extras: ReplyExtras,
  withAdditional: boolean,
  reception: Reception,
): number {
  const { message, questionEnd } = query;
  out[0] = query.id >> 8;
  out[1] = query.id & 0xff;
  // Z, AD and CD stay clear, whatever the query has set; RA too, since nothing is looked up for anybody.
  out[2] =
    0x80 |
    (query.opcode << 3) |
    (head.authoritative ? 0x04 : 0) |
    (body.truncated ? 0x02 : 0) |
    (query.recursionDesired ? 0x01 : 0);
  out[3] = head.rcode & 0x0f;
  write16(out, 4, query.hasQuestion ? 1 : 0);
  write16(out, 6, body.answers);
  write16(out, 8, body.authority);
  // Without room for it who has signed gets the bare code.
  const isKeyRefused = head.rcode === rcodes.NOTAUTH && withAdditional;
  const additional = withAdditional ? body.additional : body.glue;
  write16(out, 10, additional + (query.hasEdns ? 1 : 0) + (isKeyRefused ? 1 : 0));
  for (let i = headerBytes; i < questionEnd; i++) out[i] = message[i] ?? 0;
  let end = copyBody(out, questionEnd, body, withAdditional, query.nameBytes - body.nameBytes);
  if (query.hasEdns) end = writeOpt(out, end, query, head, scopePrefix, extras, reception);
  return isKeyRefused ? writeTsigError(out, end, message, query.tsigAt) : end;
}

function copyBody(out: Uint8Array, start: number, body: Body, withAdditional: boolean, moved: number): number {
  const { bytes, pointers } = body;
  const length = withAdditional ? bytes.length : body.requiredBytes;
  // A loop is faster than a call into the runtime for as few bytes as most answers have.
  if (length > 256) out.set(length === bytes.length ? bytes : bytes.subarray(0, length), start);
  else for (let i = 0; i < length; i++) out[start + i] = bytes[i] ?? 0;
  if (moved !== 0)
    for (let i = 0; i < pointers.length; i++) {
      const at = start + (pointers[i] ?? 0);
      if (at >= start + length) break;
      write16(out, at, (((out[at] ?? 0) << 8) | (out[at + 1] ?? 0)) + moved);
    }
  return start + length;
}

/** Flags other than DO and CO are not ours and stay clear. @see RFC 6891 §6.1.3, §6.1.4, RFC 9824 §5.1 */
function writeOpt(
  out: Uint8Array,
  start: number,
  query: Query,
  head: ReplyHead,
  scopePrefix: number,
  { nsid }: ReplyExtras,
  reception: Reception,
): number {
  const { message } = query;
  out[start] = 0;
  write16(out, start + 1, types.OPT);
  write16(out, start + 3, udpBytesMax);
  out[start + 5] = head.rcode >> 4;
  out[start + 6] = 0; // EDNS version
  write16(out, start + 7, (query.dnssecOk ? 0x8000 : 0) | (head.compactOk ? 0x4000 : 0));
  let at = start + optFixedBytes;
  if (query.wantsNsid && nsid) at = writeOption(out, at, optionCodes.NSID, nsid, 0, nsid.length);
  if (query.subnetAt > 0) {
    const valueAt = at + 4;
    at = writeOption(out, at, optionCodes.ECS, message, query.subnetAt, query.subnetLength);
    out[valueAt + 3] = scopePrefix; // family, source prefix and address go back as they came (RFC 7871 §7.2.1)
  }
  at = reception.writeOptions(out, at, query);
  const { extendedError } = head;
  if (extendedError) at = writeOption(out, at, optionCodes.EDE, extendedError, 0, extendedError.length);
  if (reception.pads) at = writePadding(out, at);
  write16(out, start + 9, at - start - optFixedBytes);
  return at;
}

/** The last option: fills the message up to whole blocks. */
function writePadding(out: Uint8Array, at: number): number {
  const length = paddingBytes(at + 4, paddingBlockBytes, tcpBytesMax);
  write16(out, at, optionCodes.PADDING);
  write16(out, at + 2, length);
  out.fill(0, at + 4, at + 4 + length);
  return at + 4 + length;
}

/** @returns the offset behind the option */
function writeOption(
  out: Uint8Array,
  at: number,
  code: number,
  value: Uint8Array,
  offset: number,
  length: number,
): number {
  write16(out, at, code);
  write16(out, at + 2, length);
  for (let i = 0; i < length; i++) out[at + 4 + i] = value[offset + i] ?? 0;
  return at + 4 + length;
}

function write16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value & 0xff;
}
