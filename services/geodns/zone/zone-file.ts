import { expectation } from "#shared/config/error.ts";
import { nearestOf } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import { parseType, typeNamesOfData } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import { expandWords, parseRange } from "./generate.ts";
import { takeName } from "./rdata/fields.ts";
import { parseData } from "./rdata/grammar.ts";
import { Lexer } from "./rdata/lexer.ts";
import type { Entry } from "./rdata/lexer.ts";
import { RecordError, Words, refuse, unescape } from "./rdata/words.ts";
import type { ByteString, Word } from "./rdata/words.ts";
import type { Finding, ZoneRecord } from "./record.ts";
import { parseTtl } from "./ttl.ts";

/** How files are found and read: this folder does neither. */
export interface FileSource {
  /** One character a byte.
   * @throws {UsageError} saying why it cannot be read */
  read(path: string): ByteString;
  /** @param from the file that names `path`; undefined: the config does */
  locate(path: string, from: string | undefined): string;
}

export interface ZoneFile {
  readonly records: readonly ZoneRecord[];
  readonly problems: readonly Finding[];
  /** Every file that was read or asked for. */
  readonly files: readonly string[];
}

const includesMax = 16; // deeper is a loop by other names
const filesMax = 1_000;
const recordsMax = 1_000_000; // about 500 MB; more is a typing error in $GENERATE, or not for this server
const problemsMax = 100; // more than anyone reads at a time

/** Reads a zone file and all that it includes.
 * @param ttl seconds, for records before any TTL is given
 * @see RFC 1035 §5, RFC 2308 §4 ($TTL) */
export function readZoneFile(path: string, apex: Name, ttl: number, source: FileSource): ZoneFile {
  const reader = new ZoneFileReader(ttl, source);
  reader.readFile(source.locate(path, undefined), apex, undefined);
  return reader;
}

/** Where a reader stands in one file. */
interface Position {
  readonly file: string;
  origin: Name;
  owner: Name | undefined;
  /** The file that includes this one. */
  readonly parent: Position | undefined;
}

class ZoneFileReader implements ZoneFile {
  readonly records: ZoneRecord[] = [];
  readonly problems: Finding[] = [];
  readonly files: string[] = [];
  readonly #source: FileSource;
  /** Of $TTL, seconds. */
  #ttlDefault: number | undefined;
  /** The last that a record gave; the config's before that. */
  #ttlLast: number;

  constructor(ttl: number, source: FileSource) {
    this.#ttlLast = ttl;
    this.#source = source;
  }

  readFile(file: string, origin: Name, parent: Position | undefined): void {
    this.files.push(file);
    const at: Position = { file, origin, owner: parent?.owner, parent };
    const lexer = new Lexer(this.#read(file));
    let entry: Entry | undefined;
    do {
      try {
        entry = lexer.next();
        if (entry) this.#readEntry(entry, at);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        const { line, column } = error.word ?? entry?.words[0] ?? { line: 1, column: 1 };
        this.problems.push({ place: { file, line, column }, message: error.message });
        entry ??= nothingRead;
      }
      if (this.problems.length > problemsMax) return;
    } while (entry);
  }

  /** @throws {RecordError} for what cannot be read */
  #read(file: string): ByteString {
    try {
      return this.#source.read(file);
    } catch (error) {
      if (error instanceof UsageError)
        throw new RecordError(expectation({ expected: `a zone file ${file}`, got: `none: ${error.message}` }));
      throw error;
    }
  }

  #readEntry({ words, startsBlank }: Entry, at: Position): void {
    const [first] = words;
    const isDirective = first !== undefined && !first.quoted && !startsBlank && first.text.startsWith("$");
    if (!isDirective) return this.#readRecord(new Words(words), startsBlank, at);
    const rest = new Words(words.slice(1));
    const name = first.text.toUpperCase();
    if (name === "$ORIGIN") at.origin = takeName(rest, at.origin);
    else if (name === "$TTL") this.#ttlDefault = takeTtl(rest);
    else if (name === "$INCLUDE") return this.#include(rest, at);
    else if (name === "$GENERATE") return this.#generate(rest, at);
    else refuse(first, "$ORIGIN, $TTL, $INCLUDE or $GENERATE");
    if (!rest.isEmpty) refuse(rest.peek(), "the end of the line");
  }

  #include(words: Words, at: Position): void {
    const word = words.take("the name of a file");
    const file = this.#source.locate(Buffer.from(unescape(word), "latin1").toString("utf8"), at.file);
    const origin = words.isEmpty ? at.origin : takeName(words, at.origin);
    if (!words.isEmpty) refuse(words.peek(), "the end of the line");
    let depth = 0;
    for (let above: Position | undefined = at; above; above = above.parent) {
      if (above.file === file) throw new RecordError(`${file} includes itself`, word);
      depth++;
    }
    if (depth > includesMax) throw new RecordError(`files are included more than ${includesMax} deep`, word);
    if (this.files.length >= filesMax) throw new RecordError(`more than ${filesMax} files`, word);
    try {
      this.readFile(file, origin, at);
    } catch (error) {
      throw error instanceof RecordError ? new RecordError(error.message, word) : error;
    }
  }

  /** Of BIND: a line for each number of a range, which stands where the line has a $. */
  #generate(words: Words, at: Position): void {
    const range = parseRange(words.take("a range such as 1-100"));
    const template = words.takeRest();
    for (let value = range.from; value <= range.to; value += range.step)
      this.#readRecord(new Words(expandWords(template, value)), false, at);
  }

  #readRecord(words: Words, startsBlank: boolean, at: Position): void {
    const first = words.peek();
    const owner = startsBlank ? at.owner : takeName(words, at.origin);
    if (owner === undefined) return refuse(first, "the name that owns the record, at the beginning of the line");
    at.owner = owner;
    const { ttl, type } = takeHead(words);
    const data = parseData(type, words.takeRest(), at.origin);
    if (ttl !== undefined) this.#ttlLast = ttl;
    if (this.records.length >= recordsMax) throw new RecordError(`more than ${recordsMax} records`, first);
    const place = { file: at.file, line: first?.line ?? 1, column: first?.column ?? 1 };
    this.records.push({ owner, type, ttl: ttl ?? this.#ttlDefault ?? this.#ttlLast, data, place });
  }
}

/** Stands for an entry that could not be read: there is more behind it. */
const nothingRead: Entry = { words: [], startsBlank: false };

function takeTtl(words: Words): number {
  const word = words.take("a TTL");
  return parseTtl(word.text) ?? refuse(word, "seconds below 2^31, or a time such as 1h30m");
}

const otherClasses = ["CH", "CS", "HS", "ANY", "NONE"];

/** TTL and class, each of which may be left out, in either order; then the type. */
function takeHead(words: Words): { ttl: number | undefined; type: number } {
  let ttl: number | undefined;
  let hasClass = false;
  for (;;) {
    const word = words.take("a record type");
    const text = word.text.toUpperCase();
    const seconds = /^\d/.test(text) ? (parseTtl(text) ?? refuse(word, "a TTL, a class or a record type")) : undefined;
    const isClass = text === "IN" || text === "CLASS1";
    if (otherClasses.includes(text) || (/^CLASS\d+$/.test(text) && !isClass)) refuse(word, "class IN");
    if (seconds !== undefined && ttl === undefined) ttl = seconds;
    else if (isClass && !hasClass) hasClass = true;
    else return { ttl, type: (seconds === undefined && !isClass ? parseType(text) : undefined) ?? refuseType(word) };
  }
}

function refuseType(word: Word): never {
  const nearest = /^[a-z]{2}/i.test(word.text) ? nearestOf(word.text, typeNamesOfData) : undefined;
  return refuse(
    word,
    "a record type",
    nearest === undefined ? "others are TYPE and a number" : `did you mean ${nearest}?`,
  );
}
