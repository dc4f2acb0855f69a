import type { AddressBytes } from "#shared/core/cidr.ts";
import { optionCodes, rcodes, types } from "./codes.ts";
import { readSubnet } from "./ecs.ts";
import { hashStart, hashStep, labelBytesMax, lowerByte, nameBytesMax, read16, skipName } from "./name.ts";
import type { Name } from "./name.ts";
import { isTsig } from "./tsig.ts";

export const headerBytes = 12; // RFC 1035 §4.1.1
const udpBytesWithoutEdns = 512; // RFC 1035 §4.2.1
const labelsMax = 128; // a name of 255 bytes has 127 labels at most
const noMessage = new Uint8Array(0);
const dnssecOkFlag = 0x8000;
const compactOkFlag = 0x4000;
const traceIdForm = /^[0-9A-Za-z-]{8,64}$/;

/** What is to be done with a message. */
export type Verdict =
  | "silence"
  | "refused"
  | "query"
  /** No question, but a COOKIE option: the client wants a server cookie, or to know whether its own is good (RFC 7873 §5.4). */
  | "cookieOnly";

/** One query, read in place: the message stays where it is, and this object is used again for the next one. What points
 * into the message holds until then. @see RFC 1035 §4.1, RFC 6891 §6 and §7, RFC 8906 */
export class Query {
  message: Uint8Array = noMessage;
  /** Of a query that is refused. */
  rcode: number = rcodes.NOERROR;
  id = 0;
  opcode = 0;
  recursionDesired = false;

  /** Exactly one question could be read. */
  hasQuestion = false;
  /** Offset after the question. */
  questionEnd = headerBytes;
  type = 0;
  class = 0;
  /** The name with its letters lowered, in wire form without the root label. */
  readonly lowered = new Uint8Array(nameBytesMax);
  nameBytes = 0;
  labels = 0;
  /** Where each label begins in `lowered`. */
  readonly labelStarts = new Uint8Array(labelsMax);
  /** For each label: the hash of the name that begins with it. */
  readonly hashes = new Uint32Array(labelsMax);

  hasEdns = false;
  version = 0;
  /** Largest UDP message that the client takes; never below 512. */
  udpBytes = udpBytesWithoutEdns;
  dnssecOk = false;
  /** Takes NXDOMAIN with a compact denial; only beside DO. @see RFC 9824 §5.1 */
  compactOk = false;
  wantsNsid = false;
  /** Where the value of the client subnet begins; 0: there is none. */
  subnetAt = 0;
  subnetLength = 0;
  sourcePrefix = 0;
  /** Bytes of the subnet's address: 4, 16, or 0 where the client hides it. */
  subnetBytes: 0 | 4 | 16 = 0;
  /** The subnet's address, filled up with zeros. */
  readonly subnetAddress = new Uint8Array(16);
  /** Where the value of the first COOKIE option begins; 0: there is none. Those behind it mean nothing (RFC 7873 §4). */
  cookieAt = 0;
  cookieLength = 0;
  /** The same of edns-tcp-keepalive. */
  keepaliveAt = 0;
  keepaliveLength = 0;
  /** Where the TSIG record begins of a query that is signed; 0: it is not. */
  tsigAt = 0;
  /** The client has padded the query, and wants the reply padded (RFC 7830). */
  isPadded = false;
  #traceAt = 0;
  #traceLength = 0;

  /** Reads a message, strictly. Never throws, whatever the bytes. */
  read(message: Uint8Array): Verdict {
    this.message = message;
    this.rcode = rcodes.NOERROR;
    this.hasQuestion = false;
    this.questionEnd = headerBytes;
    this.#forgetEdns();
    const flags = message[2] ?? 0;
    if (message.length < headerBytes || (flags & 0x80) !== 0) return "silence"; // a reply: answering could start a loop
    this.id = read16(message, 0);
    this.opcode = (flags >> 3) & 0x0f;
    this.recursionDesired = (flags & 0x01) !== 0;
    if (this.opcode !== 0) return this.#refuseOpcode(message);
    const count = read16(message, 4);
    const end = count === 1 ? this.#readQuestion(message) : passQuestions(message, count);
    if (end < 0) return this.#refuse(rcodes.FORMERR);
    if (!this.#readRecords(message, end)) return this.#refuse(rcodes.FORMERR);
    if (this.version !== 0) return this.#refuse(rcodes.BADVERS);
    const isCookieOnly = count === 0 && this.cookieAt > 0;
    if (count !== 1 && !isCookieOnly) return this.#refuse(rcodes.FORMERR);
    if (this.tsigAt > 0) return this.#refuse(rcodes.NOTAUTH); // by a key that we do not know: we know none
    return isCookieOnly ? "cookieOnly" : "query";
  }

  /** What follows the header of another opcode may have a form of its own. If it is that of a query, as with NOTIFY and
   * UPDATE, its OPT is answered by ours (RFC 6891 §6.1.1); nothing else of it is read. */
  #refuseOpcode(message: Uint8Array): Verdict {
    const end = passQuestions(message, read16(message, 4));
    if (end < 0 || !this.#readRecords(message, end)) this.#forgetEdns();
    this.tsigAt = 0;
    return this.#refuse(this.version === 0 ? rcodes.NOTIMP : rcodes.BADVERS);
  }

  /** The name as a key. */
  get name(): Name {
    return String.fromCharCode(...this.lowered.subarray(0, this.nameBytes));
  }

  /** The question as it was sent: the answer repeats it byte by byte. */
  get question(): Uint8Array {
    return this.message.subarray(headerBytes, this.questionEnd);
  }

  /** The client subnet with an address, which decides in place of the client's own address. A copy. */
  get subnet(): AddressBytes | undefined {
    return this.subnetBytes === 0 ? undefined : this.subnetAddress.slice(0, this.subnetBytes);
  }

  /** Whether the query may ask for its decision to be recorded. */
  get isTraced(): boolean {
    return this.#traceLength > 0;
  }

  /** Under which name; undefined if it is none. */
  get traceId(): string | undefined {
    const text = String.fromCharCode(...this.message.subarray(this.#traceAt, this.#traceAt + this.#traceLength));
    return traceIdForm.test(text) ? text : undefined;
  }

  /** Refuses a query whose options are well formed, but for the transport it came by or the server it came to. */
  refuseAsMalformed(): void {
    this.#refuse(rcodes.FORMERR);
  }

  #refuse(rcode: number): Verdict {
    this.rcode = rcode;
    // A malformed query says nothing about a subnet that could be echoed.
    this.subnetAt = 0;
    this.subnetBytes = 0;
    return "refused";
  }

  #forgetEdns(): void {
    this.hasEdns = false;
    this.version = 0;
    this.udpBytes = udpBytesWithoutEdns;
    this.dnssecOk = false;
    this.compactOk = false;
    this.wantsNsid = false;
    this.subnetAt = 0;
    this.subnetBytes = 0;
    this.cookieAt = 0;
    this.keepaliveAt = 0;
    this.tsigAt = 0;
    this.isPadded = false;
    this.#traceLength = 0;
  }

  /** Its name cannot be compressed: there is nothing before it that a pointer may lead to (RFC 1035 §4.1.4).
   * @returns the offset after it; -1 if it is malformed */
  #readQuestion(message: Uint8Array): number {
    const { lowered, labelStarts } = this;
    let labels = 0;
    let at = headerBytes;
    for (;;) {
      const length = message[at] ?? 0;
      const start = at - headerBytes;
      if (length > labelBytesMax || start + length + 1 > nameBytesMax || at + 1 + length + 4 > message.length)
        return -1;
      if (length === 0) break;
      labelStarts[labels++] = start;
      lowered[start] = length;
      for (let i = 1; i <= length; i++) lowered[start + i] = lowerByte(message[at + i] ?? 0);
      at += 1 + length;
    }
    this.labels = labels;
    this.nameBytes = at - headerBytes;
    this.#hashLabels();
    this.type = read16(message, at + 1);
    this.class = read16(message, at + 3);
    this.questionEnd = at + 5;
    this.hasQuestion = true;
    return this.questionEnd;
  }

  /** From the root down, so that one pass gives the hash of every name above as well. */
  #hashLabels(): void {
    let hash = hashStart;
    let end = this.nameBytes;
    for (let label = this.labels - 1; label >= 0; label--) {
      const start = this.labelStarts[label] ?? 0;
      for (let i = start; i < end; i++) hash = hashStep(hash, this.lowered[i] ?? 0);
      this.hashes[label] = hash;
      end = start;
    }
  }

  /** Walks the records behind the question. The first OPT is kept even if what comes later is malformed: the error is then
   * answered with an OPT. @returns whether all of it is well formed */
  #readRecords(message: Uint8Array, start: number): boolean {
    const answers = read16(message, 6);
    const firstAdditional = answers + read16(message, 8);
    const count = firstAdditional + read16(message, 10);
    let offset = start;
    let optionsAt = 0;
    let optionsEnd = 0;
    // A query answers nothing; an UPDATE has its prerequisites there. Each turn uses up 11 bytes or ends the walk.
    let wellFormed = answers === 0 || this.opcode !== 0;
    for (let i = 0; i < count && wellFormed; i++) {
      const ownerAt = offset;
      const ownerEnd = skipName(message, ownerAt);
      if (ownerEnd < 0 || ownerEnd + 10 > message.length) return false;
      const isRoot = ownerEnd === ownerAt + 1;
      const dataStart = ownerEnd + 10;
      const type = read16(message, ownerEnd);
      offset = dataStart + read16(message, ownerEnd + 8);
      if (offset > message.length) return false;
      if (type === types.TSIG) {
        // The last of all (RFC 8945 §5.1).
        wellFormed =
          i >= firstAdditional && i === count - 1 && isTsig(message, ownerAt, ownerEnd, offset, this.questionEnd);
        this.tsigAt = wellFormed ? ownerAt : 0;
      }
      if (type !== types.OPT) continue;
      if (this.hasEdns || i < firstAdditional || !isRoot) wellFormed = false;
      if (this.hasEdns) continue;
      this.#readOpt(message, ownerEnd);
      optionsAt = dataStart;
      optionsEnd = offset;
    }
    wellFormed &&= offset === message.length;
    // Options of a version that we do not speak may have another form.
    return wellFormed && (this.version !== 0 || this.#readOptions(message, optionsAt, optionsEnd));
  }

  #readOpt(message: Uint8Array, ownerEnd: number): void {
    this.hasEdns = true;
    this.udpBytes = Math.max(read16(message, ownerEnd + 2), udpBytesWithoutEdns);
    this.version = message[ownerEnd + 5] ?? 0;
    const flags = read16(message, ownerEnd + 6);
    this.dnssecOk = (flags & dnssecOkFlag) !== 0;
    this.compactOk = this.dnssecOk && (flags & compactOkFlag) !== 0;
  }

  /** Options that mean nothing to us are passed over. @returns false if one is malformed or ECS comes twice */
  #readOptions(message: Uint8Array, start: number, end: number): boolean {
    for (let at = start; at < end;) {
      if (at + 4 > end) return false;
      const code = read16(message, at);
      const length = read16(message, at + 2);
      at += 4;
      if (at + length > end) return false;
      if (code === optionCodes.NSID) this.wantsNsid = true;
      else if (code === optionCodes.ECS) {
        if (this.subnetAt > 0 || !this.#readSubnet(message, at, length)) return false;
      } else if (code === optionCodes.COOKIE && this.cookieAt === 0) {
        this.cookieAt = at;
        this.cookieLength = length;
      } else if (code === optionCodes.KEEPALIVE && this.keepaliveAt === 0) {
        this.keepaliveAt = at;
        this.keepaliveLength = length;
      } else if (code === optionCodes.PADDING) this.isPadded = true;
      else if (code === optionCodes.TRACE) {
        this.#traceAt = at;
        this.#traceLength = length;
      }
      at += length;
    }
    return true;
  }

  #readSubnet(message: Uint8Array, at: number, length: number): boolean {
    const bytes = readSubnet(message, at, length, this.subnetAddress);
    if (bytes === -1) return false;
    this.subnetAt = at;
    this.subnetLength = length;
    this.sourcePrefix = message[at + 2] ?? 0;
    this.subnetBytes = bytes;
    return true;
  }
}

/** Several questions, or none: refused in any case, but what comes behind them may hold an OPT. @returns -1 if malformed */
function passQuestions(message: Uint8Array, count: number): number {
  let end = headerBytes;
  for (let i = 0; i < count; i++) {
    const nameEnd = skipName(message, end);
    if (nameEnd < 0 || nameEnd + 4 > message.length) return -1;
    end = nameEnd + 4;
  }
  return end;
}

/** Largest reply over UDP for this query. @see RFC 6891 §6.2.5 */
export function udpReplyBytesMax(query: Query, ownBytesMax: number): number {
  return query.hasEdns ? Math.min(query.udpBytes, ownBytesMax) : udpBytesWithoutEdns;
}
