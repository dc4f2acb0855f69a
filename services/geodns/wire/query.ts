import { optionCodes, types } from "./codes.ts";
import type { Rcode } from "./codes.ts";
import { readSubnet } from "./ecs.ts";
import type { Subnet } from "./ecs.ts";
import { readName, skipName } from "./name.ts";
import type { Name } from "./name.ts";

const headerBytes = 12; // RFC 1035 §4.1.1
const udpBytesWithoutEdns = 512; // RFC 1035 §4.2.1

export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
  /** As it was sent: the answer repeats it byte by byte. */
  readonly bytes: Uint8Array;
}

/** What the OPT record of a query says. @see RFC 6891 §6.1 */
export interface Edns {
  readonly version: number;
  /** Largest UDP message that the client takes; never below 512. */
  readonly udpBytes: number;
  readonly dnssecOk: boolean;
  readonly nsid: boolean;
  readonly subnet: Subnet | undefined;
  /** Asks for the decision to be recorded under this id. */
  readonly traceId: string | undefined;
}

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly question: Question | undefined;
  readonly edns: Edns | undefined;
}

/** A query that can be answered by its question. */
export type ReadableQuery = Query & { readonly question: Question };

export type Reading =
  /** Not a query at all: any reply could start a loop or serve an attack. */
  | { readonly state: "silence" }
  | { readonly state: "refused"; readonly rcode: Rcode; readonly query: Query }
  | { readonly state: "query"; readonly query: ReadableQuery };

interface Header {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
}

/** Reads a query, strictly. Never throws, whatever the bytes.
 * @see RFC 1035 §4.1, RFC 6891 §6 and §7, RFC 8906 */
export function readQuery(message: Uint8Array): Reading {
  const isReply = ((message[2] ?? 0) & 0x80) !== 0;
  if (message.length < headerBytes || isReply) return { state: "silence" };
  const header = {
    id: read16(message, 0),
    opcode: ((message[2] ?? 0) >> 3) & 0x0f,
    recursionDesired: ((message[2] ?? 0) & 0x01) !== 0,
  };
  // What follows the header of another opcode has a form of its own: nothing of it is read.
  if (header.opcode !== 0) return refuse(header, "NOTIMP");
  const questions = readQuestions(message);
  if (!questions) return refuse(header, "FORMERR");
  const records = readRecords(message, questions.end);
  const edns = records.opt && ednsOf(records.opt);
  const query = { ...header, question: questions.only, edns: edns?.edns };
  if (!records.wellFormed) return { state: "refused", rcode: "FORMERR", query };
  if (edns && edns.edns.version !== 0) return { state: "refused", rcode: "BADVERS", query };
  if (!questions.only || edns?.wellFormed === false) return { state: "refused", rcode: "FORMERR", query };
  return { state: "query", query: { ...query, question: questions.only } };
}

function refuse(header: Header, rcode: Rcode): Reading {
  return { state: "refused", rcode, query: { ...header, question: undefined, edns: undefined } };
}

/** @returns `only` unless there is exactly one question; undefined if one is malformed */
function readQuestions(message: Uint8Array): { only: Question | undefined; end: number } | undefined {
  const count = read16(message, 4);
  if (count === 1) return readQuestion(message);
  let end = headerBytes;
  for (let i = 0; i < count; i++) {
    const nameEnd = skipName(message, end);
    if (nameEnd === undefined || nameEnd + 4 > message.length) return undefined;
    end = nameEnd + 4;
  }
  return { only: undefined, end };
}

function readQuestion(message: Uint8Array): { only: Question; end: number } | undefined {
  const read = readName(message, headerBytes);
  if (!read || read.end + 4 > message.length) return undefined;
  const { name, end } = read;
  const bytes = message.subarray(headerBytes, end + 4);
  return { only: { name, type: read16(message, end), class: read16(message, end + 2), bytes }, end: end + 4 };
}

interface Opt {
  readonly class: number;
  readonly flags: number;
  readonly version: number;
  readonly data: Uint8Array;
}

/** Walks the records behind the question. The first OPT is returned even if what comes later is malformed: the error is
 * then answered with an OPT. */
function readRecords(message: Uint8Array, start: number): { opt: Opt | undefined; wellFormed: boolean } {
  const answers = read16(message, 6);
  const firstAdditional = answers + read16(message, 8);
  const count = firstAdditional + read16(message, 10);
  let opt: Opt | undefined;
  let offset = start;
  // A query answers nothing. Each turn uses up 11 bytes or ends the walk.
  let wellFormed = answers === 0;
  for (let i = 0; i < count && wellFormed; i++) {
    const isRoot = message[offset] === 0;
    const ownerEnd = skipName(message, offset);
    if (ownerEnd === undefined || ownerEnd + 10 > message.length) return { opt, wellFormed: false };
    const type = read16(message, ownerEnd);
    const dataStart = ownerEnd + 10;
    offset = dataStart + read16(message, ownerEnd + 8);
    if (offset > message.length) return { opt, wellFormed: false };
    if (type !== types.OPT) continue;
    if (opt || i < firstAdditional || !isRoot) wellFormed = false;
    opt ??= {
      class: read16(message, ownerEnd + 2),
      version: message[ownerEnd + 5] ?? 0,
      flags: read16(message, ownerEnd + 6),
      data: message.subarray(dataStart, offset),
    };
  }
  return { opt, wellFormed: wellFormed && offset === message.length };
}

function ednsOf(opt: Opt): { edns: Edns; wellFormed: boolean } {
  const base = {
    version: opt.version,
    udpBytes: Math.max(opt.class, udpBytesWithoutEdns),
    dnssecOk: (opt.flags & 0x8000) !== 0,
  };
  const none = { nsid: false, subnet: undefined, traceId: undefined };
  // Options of a version that we do not speak may have another form.
  if (opt.version !== 0) return { edns: { ...base, ...none }, wellFormed: true };
  const options = readOptions(opt.data);
  if (!options) return { edns: { ...base, ...none }, wellFormed: false };
  return { edns: { ...base, ...options }, wellFormed: true };
}

/** Options that mean nothing to us are passed over. @returns undefined if one is malformed or ECS comes twice */
function readOptions(data: Uint8Array): Pick<Edns, "nsid" | "subnet" | "traceId"> | undefined {
  let nsid = false;
  let subnet: Subnet | undefined;
  let traceId: string | undefined;
  for (let offset = 0; offset < data.length;) {
    if (offset + 4 > data.length) return undefined;
    const code = read16(data, offset);
    const end = offset + 4 + read16(data, offset + 2);
    if (end > data.length) return undefined;
    const value = data.subarray(offset + 4, end);
    if (code === optionCodes.NSID) nsid = true;
    if (code === optionCodes.TRACE) traceId = readTraceId(value);
    if (code === optionCodes.ECS) {
      if (subnet) return undefined;
      subnet = readSubnet(value);
      if (!subnet) return undefined;
    }
    offset = end;
  }
  return { nsid, subnet, traceId };
}

function readTraceId(value: Uint8Array): string | undefined {
  const text = String.fromCharCode(...value.subarray(0, 65));
  return /^[0-9A-Za-z-]{8,64}$/.test(text) ? text : undefined;
}

function read16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/** Largest reply over UDP for this query. @see RFC 6891 §6.2.5 */
export function udpReplyBytesMax(query: Query, ownBytesMax: number): number {
  return query.edns ? Math.min(query.edns.udpBytes, ownBytesMax) : udpBytesWithoutEdns;
}
