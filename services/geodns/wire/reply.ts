import { classes, optionCodes, rcodes, types } from "./codes.ts";
import type { Rcode } from "./codes.ts";
import { echoSubnet } from "./ecs.ts";
import { parentOf } from "./name.ts";
import type { Name } from "./name.ts";
import type { Query } from "./query.ts";

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
}

export interface OwnedSet {
  readonly owner: Name;
  readonly set: RecordSet;
}

export interface Reply {
  readonly query: Query;
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers: readonly OwnedSet[];
  readonly authority: readonly OwnedSet[];
  /** Scope of the client subnet, if the query had one. */
  readonly scopePrefix: number;
  /** Given to those who ask for it. */
  readonly nsid: Uint8Array | undefined;
  /** Extended error: code and a short ASCII text. */
  readonly extendedError?: { readonly code: number; readonly text: string };
}

/** What we say we take over UDP, and the most we send: fits an IPv6 path without fragments (DNS flag day 2020). */
export const udpBytesMax = 1_232;
/** RFC 1035 §4.2.2: the length before a message has 16 bits. */
export const tcpBytesMax = 65_535;

const headerBytes = 12;
const pointerOffsetMax = 0x3fff; // RFC 1035 §4.1.4

// One message is written at a time, and copied out before the next: writing never awaits.
const scratch = Buffer.alloc(tcpBytesMax);

/** Writes one message into the scratch buffer. */
class Writer {
  at = 0;
  readonly #names = new Map<Name, number>();

  uint8(value: number): void {
    this.at = scratch.writeUInt8(value, this.at);
  }

  uint16(value: number): void {
    this.at = scratch.writeUInt16BE(value, this.at);
  }

  uint32(value: number): void {
    this.at = scratch.writeUInt32BE(value, this.at);
  }

  bytes(value: Uint8Array): void {
    scratch.set(value, this.at);
    this.at += value.length;
  }

  /** Names that end as one that was written before point to it. */
  name(name: Name): void {
    let rest = name;
    for (; rest !== ""; rest = parentOf(rest)) {
      const known = this.#names.get(rest);
      if (known !== undefined) return this.uint16(0xc000 | known);
      this.remember(rest, this.at);
      this.at += scratch.write(rest.slice(0, 1 + rest.charCodeAt(0)), this.at, "latin1");
    }
    this.uint8(0);
  }

  /** A name, and those above it, that stands whole at this offset. */
  rememberAll(name: Name, offset: number): void {
    for (let rest = name; rest !== ""; rest = parentOf(rest)) this.remember(rest, offset + name.length - rest.length);
  }

  remember(name: Name, offset: number): void {
    if (offset <= pointerOffsetMax && !this.#names.has(name)) this.#names.set(name, offset);
  }

  /** Goes back, as if nothing had been written from there on. */
  rewind(at: number): void {
    this.at = at;
    for (const [name, offset] of this.#names) if (offset >= at) this.#names.delete(name);
  }
}

/** The bytes of a reply. A record set that does not fit is left out whole, with all behind it, and TC is set; the OPT
 * always stays.
 * @param bytesMax at least 512 */
export function encodeReply(reply: Reply, bytesMax: number): Buffer {
  const { query } = reply;
  const options = query.edns ? optionsOf(reply) : [];
  const optBytes = query.edns ? 11 + options.reduce((sum, [, value]) => sum + 4 + value.length, 0) : 0;
  const writer = new Writer();
  writer.at = headerBytes;
  if (query.question) {
    writer.bytes(query.question.bytes);
    writer.rememberAll(query.question.name, headerBytes);
  }
  const recordsEnd = bytesMax - optBytes;
  const answers = writeSets(writer, reply.answers, recordsEnd);
  const authority = answers.truncated ? nothingWritten : writeSets(writer, reply.authority, recordsEnd);
  if (query.edns) writeOpt(writer, reply, options);
  const end = writer.at;
  writer.at = 0;
  writer.uint16(query.id);
  writer.uint16(flagsOf(reply, answers.truncated || authority.truncated));
  writer.uint16(query.question ? 1 : 0);
  writer.uint16(answers.count);
  writer.uint16(authority.count);
  writer.uint16(query.edns ? 1 : 0);
  return Buffer.from(scratch.subarray(0, end));
}

/** Z, AD and CD stay clear, whatever the query has set; RA too, since nothing is looked up for anybody. */
function flagsOf({ query, rcode, authoritative }: Reply, truncated: boolean): number {
  return (
    0x8000 |
    (query.opcode << 11) |
    (authoritative ? 0x0400 : 0) |
    (truncated ? 0x0200 : 0) |
    (query.recursionDesired ? 0x0100 : 0) |
    (rcodes[rcode] & 0x0f)
  );
}

const nothingWritten = { count: 0, truncated: false };

function writeSets(
  writer: Writer,
  sets: readonly OwnedSet[],
  bytesMax: number,
): { readonly count: number; readonly truncated: boolean } {
  let count = 0;
  for (const owned of sets) {
    const start = writer.at;
    if (!writeSet(writer, owned, bytesMax)) {
      writer.rewind(start);
      return { count, truncated: true };
    }
    count += owned.set.data.length;
  }
  return { count, truncated: false };
}

/** @returns false if it does not fit */
function writeSet(writer: Writer, { owner, set }: OwnedSet, bytesMax: number): boolean {
  for (const data of set.data) {
    const ownerBytesMax = owner.length + 1;
    const bytesNeeded = 10 + data.length;
    // The scratch buffer ends with the largest message: a record that may not fit there is not tried.
    if (writer.at + ownerBytesMax + bytesNeeded > scratch.length) return false;
    writer.name(owner);
    writer.uint16(set.type);
    writer.uint16(set.class ?? classes.IN);
    writer.uint32(set.ttl);
    writer.uint16(data.length);
    writer.bytes(data);
    if (writer.at > bytesMax) return false;
  }
  return true;
}

type Option = readonly [code: number, value: Uint8Array];

function optionsOf({ query, scopePrefix, nsid, extendedError }: Reply): Option[] {
  const options: Option[] = [];
  if (query.edns?.nsid && nsid) options.push([optionCodes.NSID, nsid]);
  if (query.edns?.subnet) options.push([optionCodes.ECS, echoSubnet(query.edns.subnet, scopePrefix)]);
  if (extendedError) {
    const { code, text } = extendedError;
    options.push([optionCodes.EDE, Uint8Array.of(code >> 8, code & 0xff, ...Buffer.from(text, "latin1"))]);
  }
  return options;
}

/** Flags other than DO are not ours and stay clear. @see RFC 6891 §6.1.3, §6.1.4 */
function writeOpt(writer: Writer, { query, rcode }: Reply, options: readonly Option[]): void {
  writer.uint8(0);
  writer.uint16(types.OPT);
  writer.uint16(udpBytesMax);
  writer.uint8(rcodes[rcode] >> 4);
  writer.uint8(0); // EDNS version
  writer.uint16(query.edns?.dnssecOk ? 0x8000 : 0);
  writer.uint16(options.reduce((sum, [, value]) => sum + 4 + value.length, 0));
  for (const [code, value] of options) {
    writer.uint16(code);
    writer.uint16(value.length);
    writer.bytes(value);
  }
}
