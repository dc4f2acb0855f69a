import { expectation } from "#shared/config/error.ts";
import { messageOf } from "#shared/core/error.ts";
import { formatName, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { publicKeyOf } from "./key.ts";
import type { KeyTimes } from "./key.ts";
import { algorithm, dnskeyText, formatTime, keyFlags, parseTime } from "./rdata.ts";

/** The text of key files, in the format of BIND: what dnssec-keygen and ldns-keygen write is read, and the other way round. */

/** What is wrong with the text of a key file, and where. */
export class KeyTextError extends Error {
  override readonly name = "KeyTextError";
  readonly place: TextPlace;

  constructor(place: TextPlace, message: string) {
    super(message);
    this.place = { line: place.line, column: place.column };
  }
}

/** Counted from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

export interface PublicKeyText {
  readonly zone: Name;
  readonly flags: number;
  /** x and y: 64 bytes. */
  readonly publicKey: Buffer;
  /** Of the name. */
  readonly place: TextPlace;
  /** Of the key in base64. */
  readonly keyPlace: TextPlace;
}

export interface PrivateKeyText {
  /** 32 bytes. */
  readonly scalar: Buffer;
  readonly times: KeyTimes;
}

interface Piece extends TextPlace {
  readonly text: string;
}

const scalarBytes = 32;
const publicKeyBytes = 64;
const algorithmName = "ECDSAP256SHA256";
const start: TextPlace = { line: 1, column: 1 };

/** @throws {KeyTextError} always */
function refuse(piece: TextPlace, expected: string, got: string, hint?: string): never {
  throw new KeyTextError(piece, expectation({ expected, got, hint }));
}

/** Reads `NAME [TTL] [IN] DNSKEY FLAGS 3 13 KEY` among comments.
 * @throws {KeyTextError} */
export function parsePublicKey(text: string): PublicKeyText {
  const words = wordsOf(text);
  const [first] = words;
  if (!first) return refuse(start, "a DNSKEY record", "nothing", fromPrivate);
  const zone = parseName(first.text, "");
  const at = words.findIndex((word) => word.text.toUpperCase() === "DNSKEY");
  if (at < 1 || zone === undefined) return refuse(first, "NAME [TTL] [IN] DNSKEY ...", "another form", fromPrivate);
  // What is missing is missed behind the last word.
  const last = words.at(-1) ?? first;
  const end = { text: "nothing", line: last.line, column: last.column + last.text.length };
  const [flagsWord = end, protocol = end, algorithmWord = end, ...base64] = words.slice(at + 1);
  const flags = Number(flagsWord.text);
  if (!Object.values<number>(keyFlags).includes(flags))
    return refuse(flagsWord, "flags 256 (zone key) or 257 (entry point)", flagsWord.text);
  if (protocol.text !== "3") return refuse(protocol, "protocol 3", protocol.text, "RFC 4034 §2.1.2");
  if (algorithmWord.text !== String(algorithm) && algorithmWord.text !== algorithmName) refuseAlgorithm(algorithmWord);
  const publicKey = decodeBase64(base64.map((word) => word.text).join(""));
  const keyPlace = base64[0] ?? end;
  if (publicKey?.length !== publicKeyBytes)
    return refuse(keyPlace, "a key of 64 bytes in base64", lengthOf(publicKey), fromPrivate);
  return { zone, flags, publicKey, place: first, keyPlace };
}

const fromPrivate = "dnssec-keygen and watershed dnssec keygen write such files";

/** Without comments, and without brackets, which let a record go on over lines. */
function wordsOf(text: string): Piece[] {
  return text.split("\n").flatMap((content, i) => {
    const plain = content.replace(/;.*$/, "").replaceAll(/[()]/g, " ");
    return Array.from(plain.matchAll(/\S+/g), ({ 0: word, index }) => ({ text: word, line: i + 1, column: index + 1 }));
  });
}

function lengthOf(bytes: Buffer | undefined): string {
  return bytes ? `${bytes.length} bytes` : "no base64";
}

/** Reads `FIELD: VALUE` lines.
 * @throws {KeyTextError} without what the file says: it is secret */
export function parsePrivateKey(text: string): PrivateKeyText {
  const fields = fieldsOf(text);
  const format = fields.get("Private-key-format");
  if (!format) return refuse(start, "Private-key-format: v1.3", "a file without it", fromPrivate);
  if (!/^v1\.\d+$/.test(format.text)) return refuse(format, "Private-key-format: v1.2 or v1.3", "another");
  const named = fields.get("Algorithm");
  if (named?.text.split(" ")[0] !== String(algorithm)) refuseAlgorithm(named ?? { ...start, text: "nothing" });
  return { scalar: scalarOf(fields.get("PrivateKey")), times: timesOf(fields) };
}

function fieldsOf(text: string): ReadonlyMap<string, Piece> {
  const fields = new Map<string, Piece>();
  for (const [i, content] of text.split("\n").entries()) {
    if (content.trim() === "" || content.startsWith(";")) continue;
    const match = /^([\w-]+):(\s*)(.*?)\s*$/.exec(content);
    if (!match) return refuse({ line: i + 1, column: 1 }, "FIELD: VALUE", "another form", fromPrivate);
    const [, name = "", blank = "", value = ""] = match;
    fields.set(name, { text: value, line: i + 1, column: name.length + 1 + blank.length + 1 });
  }
  return fields;
}

function refuseAlgorithm(named: Piece): never {
  return refuse(
    named,
    `algorithm ${algorithm} (${algorithmName})`,
    named.text === "" ? "nothing" : named.text,
    "only that is signed with: watershed dnssec keygen makes such a key",
  );
}

function scalarOf(field: Piece | undefined): Buffer {
  const bytes = field && decodeBase64(field.text);
  if (!field || !bytes || bytes.length === 0 || bytes.length > scalarBytes) {
    const got = field ? lengthOf(bytes) : "a file without it";
    return refuse(field ?? start, "PrivateKey: 32 bytes in base64", got, "the file may have been cut");
  }
  const scalar = Buffer.concat([Buffer.alloc(scalarBytes - bytes.length), bytes]);
  try {
    publicKeyOf(scalar);
  } catch (error) {
    return refuse(field, "a private key of curve P-256", "none", messageOf(error));
  }
  return scalar;
}

/** Times as dnssec-keygen keeps them. A file without any (ldns-keygen) is a key that signs; one with times but without
 * Activate is only shown. */
function timesOf(fields: ReadonlyMap<string, Piece>): KeyTimes {
  const read = (name: string) => {
    const field = fields.get(name);
    if (!field) return undefined;
    const hint = "in UTC; watershed dnssec set moves the times of a key";
    return parseTime(field.text) ?? refuse(field, `${name}: YYYYMMDDHHmmSS`, "another form", hint);
  };
  const hasTimes = ["Created", "Publish", "Activate", "Inactive", "Delete"].some((name) => fields.has(name));
  const activate = hasTimes ? read("Activate") : 0;
  return { publish: read("Publish") ?? activate, activate, inactive: read("Inactive"), delete: read("Delete") };
}

/** Strictly: Node's decoder passes over what is no base64. */
function decodeBase64(text: string): Buffer | undefined {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? Buffer.from(text, "base64") : undefined;
}

/** @param created seconds since 1970 */
export function formatPublicKey(
  { zone, flags, tag, dnskey }: { zone: Name; flags: number; tag: number; dnskey: Uint8Array },
  times: KeyTimes,
  created: number,
): string {
  const kind = flags === keyFlags.entryPoint ? "key-signing" : "zone-signing";
  const head = `; This is a ${kind} key, keyid ${tag}, for ${formatName(zone)}\n; Created: ${formatTime(created)}\n`;
  return withTimes(`${head}${formatName(zone)} IN DNSKEY ${dnskeyText(dnskey)}\n`, times, "; ");
}

export function formatPrivateKey(scalar: Uint8Array, times: KeyTimes, created: number): string {
  const lines = [
    "Private-key-format: v1.3",
    `Algorithm: ${algorithm} (${algorithmName})`,
    `PrivateKey: ${Buffer.from(scalar).toString("base64")}`,
    `Created: ${formatTime(created)}`,
  ];
  return withTimes(`${lines.join("\n")}\n`, times, "");
}

/** The text of a key file with these times, behind what else it says; in a `.key` before the record.
 * @param mark what begins their lines */
export function withTimes(text: string, times: KeyTimes, mark: "" | "; "): string {
  const named = { Publish: times.publish, Activate: times.activate, Inactive: times.inactive, Delete: times.delete };
  const lines = Object.entries(named).flatMap(([name, time]) =>
    time === undefined ? [] : [`${mark}${name}: ${formatTime(time)}`],
  );
  const isOld = (line: string) => /^(?:; )?(?:Publish|Activate|Inactive|Delete):/.test(line);
  const kept = text.split("\n").filter((line) => line !== "" && !isOld(line));
  const at = mark === "" ? kept.length : kept.findLastIndex((line) => line.startsWith(";")) + 1;
  return [...kept.slice(0, at), ...lines, ...kept.slice(at), ""].join("\n");
}
