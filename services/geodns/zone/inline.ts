import { recordsSchema } from "#shared/config/schema/dns-zone.ts";
import type { DnsZoneConfig, RecordsConfig } from "#shared/config/schema/dns-zone.ts";
import { parseType, types } from "../wire/codes.ts";
import { parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { bindingOf } from "./binding.ts";
import type { Binding } from "./binding.ts";
import { parseData } from "./rdata/grammar.ts";
import { lexLine } from "./rdata/lexer.ts";
import { RecordError } from "./rdata/words.ts";
import type { Word } from "./rdata/words.ts";
import type { Finding, SteeredName, ZoneRecord } from "./record.ts";

export interface InlineRecords {
  readonly records: readonly ZoneRecord[];
  readonly steered: readonly SteeredName[];
  readonly problems: readonly Finding[];
}

/** Keys whose values are one name or address each, and TXT, which stands as it is: nothing in them is to be split. */
const plainKeys = new Set(["A", "AAAA", "NS", "PTR", "CNAME", "DNAME"]);
const stringBytesMax = 255; // RFC 1035 §3.3

/** The records of a dnsZone that stand in the config. */
export function readInline(zoneName: string, config: DnsZoneConfig, apex: Name): InlineRecords {
  const reader = new InlineReader(apex, config.ttl);
  const path = ["dnsZones", zoneName];
  if (config.soa) reader.readSoa(config.soa, [...path, "soa"]);
  for (const [owner, records] of Object.entries(config.records)) {
    const here = [...path, "records", owner];
    const name = parseName(owner, apex);
    if (name === undefined)
      reader.problems.push({ place: { path: here }, message: "is no domain name (RFC 1035 §3.1)" });
    else reader.readRecords(name, records, here);
  }
  return reader;
}

class InlineReader implements InlineRecords {
  readonly records: ZoneRecord[] = [];
  readonly steered: SteeredName[] = [];
  readonly problems: Finding[] = [];
  readonly #apex: Name;
  readonly #ttl: number;

  constructor(apex: Name, ttl: number) {
    this.#apex = apex;
    this.#ttl = ttl;
  }

  readSoa(soa: NonNullable<DnsZoneConfig["soa"]>, path: readonly PropertyKey[]): void {
    const { primary, contact, serial, refresh, retry, expire, negativeTtl } = soa;
    const fields = [primary, contact, ...[serial, refresh, retry, expire, negativeTtl].map(String)];
    this.#read(
      this.#apex,
      types.SOA,
      fields.map((field) => wordOf(field)),
      this.#ttl,
      path,
    );
  }

  readRecords(owner: Name, { ttl, geo, ...sets }: RecordsConfig, path: readonly PropertyKey[]): void {
    const bindings = new Map<number, Binding>();
    for (const [key, values] of Object.entries(sets)) {
      const type = parseType(key);
      if (values === undefined || type === undefined) {
        if (type === undefined) this.problems.push({ place: { path: [...path, key] }, message: "is no record type" });
      } else if (typeof values === "object" && !Array.isArray(values)) bindings.set(type, bindingOf(values));
      else this.#readSet(owner, key, type, values, ttl ?? this.#ttl, [...path, key]);
    }
    if (geo !== undefined)
      this.steered.push({ owner, steered: { service: geo, ttl, bindings }, place: { path: [...path, "geo"] } });
  }

  #readSet(
    owner: Name,
    key: string,
    type: number,
    values: string | readonly (string | readonly string[])[],
    ttl: number,
    path: readonly PropertyKey[],
  ): void {
    if (typeof values === "string") return this.#read(owner, type, [wordOf(values)], ttl, path);
    for (const [i, value] of values.entries()) {
      const words = () =>
        key === "TXT"
          ? textWords(value)
          : plainKeys.has(key)
            ? [wordOf(String(value))]
            : lexLine(toUtf8(String(value)));
      this.#read(owner, type, words, ttl, [...path, i]);
    }
  }

  #read(
    owner: Name,
    type: number,
    words: readonly Word[] | (() => readonly Word[]),
    ttl: number,
    path: readonly PropertyKey[],
  ): void {
    const place = { path };
    try {
      const data = parseData(type, typeof words === "function" ? words() : words, this.#apex);
      this.records.push({ owner, type, ttl, data, place });
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.problems.push({ place, message: error.message });
    }
  }
}

/** Every key of a name's records that is a type. */
export const inlineTypes = Object.keys(recordsSchema.shape).filter((key) => key !== "geo" && key !== "ttl");

function wordOf(text: string, quoted = false): Word {
  return { text: toUtf8(text), quoted, line: 1, column: 1 };
}

/** Texts stand as they are: a backslash is a backslash. One that is too long for a character-string is split. */
function textWords(value: string | readonly string[]): Word[] {
  const texts = typeof value === "string" ? split(toUtf8(value)) : value.map(toUtf8);
  return texts.map((text) => ({ text: text.replaceAll("\\", "\\\\"), quoted: true, line: 1, column: 1 }));
}

function split(bytes: string): string[] {
  const texts: string[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += stringBytesMax)
    texts.push(bytes.slice(at, at + stringBytesMax));
  return texts;
}

/** One character a byte. */
function toUtf8(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
