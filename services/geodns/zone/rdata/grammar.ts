import { parseType, typeName, types } from "../../wire/codes.ts";
import { encodeKnown } from "../../wire/encode.ts";
import type { Name } from "../../wire/name.ts";
import {
  address,
  base64,
  eui,
  formatHex,
  hex,
  name,
  number,
  seconds,
  string,
  strings,
  tag,
  takeHex,
  target,
  text,
} from "./fields.ts";
import type { Field, Value } from "./fields.ts";
import { toByteString, toBytes } from "./bytes.ts";
import { svcParams } from "./svcb.ts";
import { DataReader, RecordError, Words, refuse } from "./words.ts";
import type { Word } from "./words.ts";

/** How the data of a type is written: its fields in order. Fields that dns2 knows have the names that it gives them. */
interface Grammar {
  readonly fields: Readonly<Record<string, Field>>;
  /** What the fields alone do not tell.
   * @throws {RecordError} */
  readonly check?: (values: Readonly<Record<string, Value>>) => void;
}

const algorithms = {
  RSASHA1: 5,
  RSASHA256: 8,
  RSASHA512: 10,
  ECDSAP256SHA256: 13,
  ECDSAP384SHA384: 14,
  ED25519: 15,
  ED448: 16,
};
const certificates = {
  PKIX: 1,
  SPKI: 2,
  PGP: 3,
  IPKIX: 4,
  ISPKI: 5,
  IPGP: 6,
  ACPKIX: 7,
  IACPKIX: 8,
  URI: 253,
  OID: 254,
};

const one = (field: Field, key = "data"): Grammar => ({ fields: { [key]: field } });
const ds: Grammar = {
  fields: { keyTag: number(2), algorithm: number(1, algorithms), digestType: number(1), digest: hex() },
  check({ digestType, digest }) {
    const bytes = digestBytes[Number(digestType)];
    if (bytes !== undefined && String(digest).length !== bytes)
      throw new RecordError(`a digest of type ${String(digestType)} has ${bytes} bytes`);
  },
};
const digestBytes: Readonly<Record<number, number>> = { 1: 20, 2: 32, 4: 48 }; // RFC 4034, 4509, 6605
const dnskey: Grammar = {
  fields: { flags: number(2), protocol: number(1), algorithm: number(1, algorithms), key: base64 },
};
const tlsa: Grammar = { fields: { usage: number(1), selector: number(1), matching: number(1), data: hex() } };
const svcb: Grammar = {
  fields: { priority: number(2), target, params: svcParams },
  check({ priority, params }) {
    if (priority === 0 && params !== "") throw new RecordError("priority 0 is an alias: no parameter may follow");
  },
};

/** Every type that can be written field by field; any other as RFC 3597 says. */
export const grammars: Readonly<Record<string, Grammar>> = {
  A: one(address(4), "address"),
  NS: one(target, "ns"),
  CNAME: one(name, "domain"),
  SOA: {
    fields: {
      primary: name,
      admin: name,
      serial: number(4),
      refresh: seconds,
      retry: seconds,
      expiration: seconds,
      minimum: seconds,
    },
  },
  PTR: one(name, "domain"),
  HINFO: { fields: { cpu: string, os: string } },
  MX: { fields: { priority: number(2), exchange: target } },
  TXT: one(strings),
  RP: { fields: { mailbox: name, text: name } },
  AFSDB: { fields: { subtype: number(2), host: target } },
  AAAA: one(address(16), "address"),
  SRV: { fields: { priority: number(2), weight: number(2), port: number(2), target } },
  NAPTR: {
    fields: { order: number(2), preference: number(2), flags: string, services: string, regexp: string, target: name },
  },
  KX: { fields: { priority: number(2), exchange: target } },
  CERT: {
    fields: { kind: number(2, certificates), keyTag: number(2), algorithm: number(1, algorithms), certificate: base64 },
  },
  DNAME: one(name),
  DS: ds,
  SSHFP: { fields: { algorithm: number(1), fingerprintType: number(1), fingerprint: hex() } },
  DNSKEY: dnskey,
  TLSA: tlsa,
  SMIMEA: tlsa,
  CDS: { fields: ds.fields },
  CDNSKEY: dnskey,
  OPENPGPKEY: one(base64),
  ZONEMD: { fields: { serial: number(4), scheme: number(1), algorithm: number(1), digest: hex(12) } },
  SVCB: svcb,
  HTTPS: svcb,
  SPF: one(strings),
  EUI48: one(eui(6)),
  EUI64: one(eui(8)),
  URI: { fields: { priority: number(2), weight: number(2), target: text } },
  CAA: { fields: { flags: number(1), tag, value: text } },
};

const grammarOf = new Map(Object.entries(grammars).map(([key, grammar]) => [parseType(key) ?? 0, grammar]));

const dataBytesMax = 65_535; // RFC 1035 §3.2.1: its length has 16 bits

/** RDATA of a record from its words; any type may be written as `\# LENGTH HEX` (RFC 3597 §5).
 * @throws {RecordError} at the word that is wrong, or that is one too many */
export function parseData(type: number, words: readonly Word[], origin: Name): Uint8Array {
  const grammar = grammarOf.get(type);
  const isGeneric = words[0]?.text === "\\#" && !words[0].quoted;
  if (!grammar && !isGeneric) return refuse(words[0], `\\# LENGTH HEX, as ${typeName(type)} has no other form here`);
  const data = isGeneric ? parseGeneric(new Words(words.slice(1))) : parseFields(type, words, origin);
  if (data.length > dataBytesMax) throw new RecordError("the data of one record has at most 65535 bytes");
  if (grammar) readFields(grammar, data); // checks what was given as bytes, and what the fields do not tell
  return data;
}

function parseFields(type: number, list: readonly Word[], origin: Name): Uint8Array {
  const words = new Words(list);
  const values: Record<string, Value> = {};
  for (const [key, field] of fieldsOf(type)) values[key] = field.parse(words, origin);
  if (!words.isEmpty) refuse(words.peek(), "the end of the record");
  const known = encodeKnown(type, values);
  return (
    known ??
    toBytes(
      fieldsOf(type)
        .map(([key, field]) => field.encode(values[key] ?? ""))
        .join(""),
    )
  );
}

function fieldsOf(type: number): [key: string, field: Field][] {
  return Object.entries(grammarOf.get(type)?.fields ?? {});
}

function parseGeneric(words: Words): Uint8Array {
  const length = words.take("the number of bytes");
  if (!/^\d{1,5}$/.test(length.text)) refuse(length, "the number of bytes");
  const bytes = takeHex(words, 0);
  if (bytes.length !== Number(length.text)) refuse(length, `${bytes.length}, as there are so many bytes`);
  return toBytes(bytes);
}

function readFields({ fields, check }: Grammar, bytes: Uint8Array): Record<string, Value> {
  const data = new DataReader(toByteString(bytes));
  const values: Record<string, Value> = {};
  for (const [key, field] of Object.entries(fields)) values[key] = field.read(data);
  if (data.left > 0) throw new RecordError(`the data has ${data.left} bytes too many`);
  check?.(values);
  return values;
}

/** RDATA as it stands in a zone file. @param data that parseData has given */
export function formatData(type: number, data: Uint8Array): string {
  const grammar = grammarOf.get(type);
  if (!grammar) return `\\# ${data.length} ${formatHex(toByteString(data))}`.trimEnd();
  const values = readFields(grammar, data);
  const texts = Object.entries(grammar.fields).map(([key, field]) => field.format(values[key] ?? ""));
  return texts.filter((part) => part !== "").join(" ");
}

/** The hosts that records of this data lead to: their addresses may be sent along.
 * "." is a host of its own only where it is no way to say "none" or "this name".
 * @see RFC 1035 §3.3, RFC 2782, RFC 9460 §4.1 */
export function targetsOf(type: number, owner: Name, data: readonly Uint8Array[]): readonly Name[] {
  const grammar = grammarOf.get(type);
  const targets = new Set<Name>();
  if (!grammar) return [];
  for (const [key, field] of Object.entries(grammar.fields)) {
    if (!field.isTarget) continue;
    for (const one of data) {
      const values = readFields(grammar, one);
      const host = String(values[key]);
      if (host !== "") targets.add(host);
      else if (grammar === svcb && values["priority"] !== 0) targets.add(owner);
    }
  }
  return [...targets];
}

/** The one name in data that is a single name, as of CNAME. */
export function nameIn(data: Uint8Array): Name {
  return String(name.read(new DataReader(toByteString(data))));
}

/** Whether the type of this number may stand in a zone: not those of questions, of EDNS and of transactions.
 * @see RFC 6895 §3.1 */
export function isDataType(type: number): boolean {
  return type > 0 && type !== types.OPT && (type < 128 || type > 255);
}
