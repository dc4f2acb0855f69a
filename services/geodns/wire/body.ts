import { assert } from "#shared/core/error.ts";
import { classes, types } from "./codes.ts";
import { parentOf } from "./name.ts";
import type { Name } from "./name.ts";
import { headerBytes } from "./query.ts";

/** Records of one owner and type: they go out together or not at all (RFC 2181 §5). */
export interface RecordSet {
  readonly type: number;
  readonly class?: number;
  /** Seconds. */
  readonly ttl: number;
  /** Uncompressed RDATA, one a record. */
  readonly data: readonly Uint8Array[];
  /** The same for people. */
  readonly texts: readonly string[];
  /** Hosts that the records lead to: their addresses may go along (NS, MX, SRV, SVCB …). */
  readonly targets?: readonly Name[];
}

export interface OwnedSet {
  readonly owner: Name;
  readonly set: RecordSet;
  /** Its signatures: they go out with it or not at all. */
  readonly rrsig?: RecordSet;
}

export interface Sections {
  readonly answers: readonly OwnedSet[];
  readonly authority: readonly OwnedSet[];
  /** Addresses without which a referral cannot be followed: part of the additional section, but they are there, or TC is
   * set. @see RFC 9471 */
  readonly glue?: readonly OwnedSet[];
  /** Left out first, and without a word. */
  readonly additional: readonly OwnedSet[];
}

/** What follows the question of an answer, but for the OPT: encoded once, copied for every query. */
export interface Body {
  readonly bytes: Uint8Array;
  readonly answers: number;
  readonly authority: number;
  /** Glue included. */
  readonly additional: number;
  readonly glue: number;
  /** Bytes without what may be left out of the additional section. */
  readonly requiredBytes: number;
  /** A record set is left out. */
  readonly truncated: boolean;
  /** The same without its last record set, for who cannot take all; the empty body has none. */
  readonly shorter: Body | undefined;
  /** Bytes of the name that the pointers are made for. */
  readonly nameBytes: number;
  /** Where pointers stand that lead further by as many bytes as another question's name is longer. */
  readonly pointers: Uint16Array;
}

export interface BodyOptions {
  /** The body answers names below `question` too: what points to the question's name moves with its end. Without it what
   * points to the whole name stays where it is, as in the answer of a wildcard. */
  readonly forNamesBelow?: boolean;
}

/** RFC 1035 §4.2.2: the length before a message has 16 bits. */
export const tcpBytesMax = 65_535;
const messageBytesMax = tcpBytesMax - 1_024; // the rest is kept for an OPT with every option that we write
const pointerOffsetMax = 0x3fff; // RFC 1035 §4.1.4
const questionFixedBytes = 5; // root label, type, class

// One body is written at a time, and copied out before the next.
const scratch = Buffer.alloc(tcpBytesMax);

/** Encodes the sections that follow a question. What TCP cannot carry is left out, by whole record sets. */
export function compileBody(question: Name, sections: Sections, options: BodyOptions = {}): Body {
  const start = headerBytes + question.length + questionFixedBytes;
  const writer = new Writer(question, start, options.forNamesBelow ?? false);
  const { answers, authority, glue = [] } = sections;
  const required = [...answers, ...authority, ...glue];
  const ends = writer.sets(required);
  const requiredBytes = writer.at - start;
  const isWhole = ends.length === required.length;
  const extra = isWhole ? sections.additional.slice(0, writer.sets(sections.additional).length) : [];
  const bytes = Uint8Array.from(scratch.subarray(start, writer.at));
  const pointers = Uint16Array.from(writer.movingPointers, (at) => at - start);
  const common = { nameBytes: question.length, pointers };

  let shorter: Body | undefined;
  for (const [i, end] of [start, ...ends].entries()) {
    const isLast = i === ends.length;
    const glueRecords = recordsOf(glue.slice(0, Math.max(0, i - answers.length - authority.length)));
    shorter = {
      ...common,
      bytes: isLast ? bytes : bytes.subarray(0, end - start),
      answers: recordsOf(answers.slice(0, i)),
      authority: recordsOf(authority.slice(0, Math.max(0, i - answers.length))),
      additional: glueRecords + (isLast ? recordsOf(extra) : 0),
      glue: glueRecords,
      requiredBytes: isLast ? requiredBytes : end - start,
      truncated: !isLast || !isWhole,
      shorter,
    };
  }
  assert(shorter, "the empty body is always there");
  return shorter;
}

function recordsOf(sets: readonly OwnedSet[]): number {
  return sets.reduce((sum, { set, rrsig }) => sum + set.data.length + (rrsig?.data.length ?? 0), 0);
}

/** Where names stand in the RDATA of types whose names may be compressed (RFC 3597 §4): bytes before them, names, and
 * bytes after them. */
const compressible: ReadonlyMap<number, { readonly before: number; readonly names: number }> = new Map([
  [types.NS, { before: 0, names: 1 }],
  [types.CNAME, { before: 0, names: 1 }],
  [types.PTR, { before: 0, names: 1 }],
  [types.MX, { before: 2, names: 1 }],
  [types.SOA, { before: 0, names: 2 }],
]);

class Writer {
  at: number;
  readonly movingPointers: number[] = [];
  readonly #wholeNameMoves: boolean;
  readonly #names = new Map<Name, number>();

  constructor(question: Name, start: number, wholeNameMoves: boolean) {
    this.at = start;
    this.#wholeNameMoves = wholeNameMoves;
    for (let rest = question; rest !== ""; rest = parentOf(rest))
      this.#names.set(rest, headerBytes + question.length - rest.length);
  }

  /** @returns where each set ends, up to the first that does not fit */
  sets(sets: readonly OwnedSet[]): readonly number[] {
    const ends: number[] = [];
    for (const owned of sets) {
      const start = this.at;
      const { owner, set, rrsig } = owned;
      if (!this.#set(owner, set) || (rrsig && !this.#set(owner, rrsig))) {
        this.#rewind(start);
        return ends;
      }
      ends.push(this.at);
    }
    return ends;
  }

  /** @returns false if it does not fit */
  #set(owner: Name, set: RecordSet): boolean {
    for (const data of set.data) {
      if (this.at + owner.length + 1 + 10 + data.length > messageBytesMax) return false;
      this.#name(owner);
      this.#uint16(set.type);
      this.#uint16(set.class ?? classes.IN);
      this.at = scratch.writeUInt32BE(set.ttl, this.at);
      const lengthAt = this.at;
      this.at += 2;
      this.#data(set.type, data);
      scratch.writeUInt16BE(this.at - lengthAt - 2, lengthAt);
    }
    return true;
  }

  #data(type: number, data: Uint8Array): void {
    const form = compressible.get(type);
    if (!form) return this.#bytes(data);
    this.#bytes(data.subarray(0, form.before));
    let at = form.before;
    for (let i = 0; i < form.names; i++) {
      const name = nameIn(data, at);
      this.#name(name);
      at += name.length + 1;
    }
    this.#bytes(data.subarray(at));
  }

  #bytes(value: Uint8Array): void {
    scratch.set(value, this.at);
    this.at += value.length;
  }

  #uint16(value: number): void {
    this.at = scratch.writeUInt16BE(value, this.at);
  }

  /** Names that end as one that was written before point to it. */
  #name(name: Name): void {
    for (let rest = name; rest !== ""; rest = parentOf(rest)) {
      const known = this.#names.get(rest);
      if (known !== undefined) {
        if (known > headerBytes || this.#wholeNameMoves) this.movingPointers.push(this.at);
        return this.#uint16(0xc000 | known);
      }
      // Room is left for a longer question, which moves what it points to.
      if (this.at + 255 <= pointerOffsetMax) this.#names.set(rest, this.at);
      this.at += scratch.write(rest.slice(0, 1 + rest.charCodeAt(0)), this.at, "latin1");
    }
    scratch[this.at++] = 0;
  }

  /** Goes back, as if nothing had been written from there on. */
  #rewind(at: number): void {
    this.at = at;
    for (const [name, offset] of this.#names) if (offset >= at) this.#names.delete(name);
    while ((this.movingPointers.at(-1) ?? -1) >= at) this.movingPointers.pop();
  }
}

/** A name of uncompressed RDATA, its letters lowered: names are compared without case. */
function nameIn(data: Uint8Array, start: number): Name {
  let end = start;
  while ((data[end] ?? 0) > 0) end += 1 + (data[end] ?? 0);
  assert(end < data.length, "RDATA was encoded by us");
  return Buffer.from(data.subarray(start, end)).toString("latin1");
}

export const emptyBody = compileBody("", { answers: [], authority: [], additional: [] });
/** Nothing but TC: ask over TCP. */
export const cutBody: Body = { ...emptyBody, truncated: true };
