import { messageOf } from "#shared/core/error.ts";
import { formatName, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { publicKeyOf } from "./key.ts";
import type { KeyTimes } from "./key.ts";
import { algorithm, dnskeyText, formatTime, keyFlags, parseTime } from "./rdata.ts";

/** The text of key files, in the format of BIND: what dnssec-keygen and ldns-keygen write is read, and the other way round. */

/** What is wrong with the text of a key file; lines count from 1. */
export class KeyTextError extends Error {
  override readonly name = "KeyTextError";
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

export interface PublicKeyText {
  readonly zone: Name;
  readonly flags: number;
  /** x and y: 64 bytes. */
  readonly publicKey: Buffer;
  readonly line: number;
}

export interface PrivateKeyText {
  /** 32 bytes. */
  readonly scalar: Buffer;
  readonly times: KeyTimes;
  readonly line: number;
}

const scalarBytes = 32;
const publicKeyBytes = 64;
const algorithmName = "ECDSAP256SHA256";

/** Reads `NAME [TTL] [IN] DNSKEY FLAGS 3 13 KEY` among comments.
 * @throws {KeyTextError} */
export function parsePublicKey(text: string): PublicKeyText {
  const lines = text.split("\n").map((line) => line.replace(/;.*$/, "").trim());
  const line = lines.findIndex((content) => content !== "") + 1;
  if (line === 0) throw new KeyTextError(1, "expected a DNSKEY record, got nothing");
  // Brackets let the key go on over lines.
  const words = lines.join(" ").replaceAll(/[()]/g, " ").trim().split(/\s+/);
  const at = words.findIndex((word) => word.toUpperCase() === "DNSKEY");
  const zone = parseName(words[0] ?? "", "");
  if (at < 1 || zone === undefined)
    throw new KeyTextError(line, "expected NAME [TTL] [IN] DNSKEY ..., got another form");
  const [flagsText, protocol, algorithmText, ...base64] = words.slice(at + 1);
  const flags = Number(flagsText);
  if (!Object.values<number>(keyFlags).includes(flags))
    throw new KeyTextError(line, `expected flags 256 (zone key) or 257 (entry point), got ${flagsText ?? "nothing"}`);
  if (protocol !== "3") throw new KeyTextError(line, `expected protocol 3, got ${protocol ?? "nothing"}`);
  if (algorithmText !== String(algorithm) && algorithmText !== algorithmName)
    throw new KeyTextError(line, otherAlgorithm(algorithmText ?? "nothing"));
  const publicKey = decodeBase64(base64.join(""));
  if (publicKey?.length !== publicKeyBytes)
    throw new KeyTextError(line, "expected a key of 64 bytes in base64, got another length");
  return { zone, flags, publicKey, line };
}

/** Reads `FIELD: VALUE` lines.
 * @throws {KeyTextError} without what the file says: it is secret */
export function parsePrivateKey(text: string): PrivateKeyText {
  const fields = new Map<string, { readonly value: string; readonly line: number }>();
  for (const [i, content] of text.split("\n").entries()) {
    if (content.trim() === "" || content.startsWith(";")) continue;
    const match = /^([\w-]+):\s*(.*?)\s*$/.exec(content);
    if (!match) throw new KeyTextError(i + 1, "expected FIELD: VALUE, got another form");
    const [, name = "", value = ""] = match;
    fields.set(name, { value, line: i + 1 });
  }
  const format = fields.get("Private-key-format");
  if (!format || !/^v1\.\d+$/.test(format.value))
    throw new KeyTextError(format?.line ?? 1, "expected Private-key-format: v1.2 or v1.3, got another");
  const named = fields.get("Algorithm");
  if (named?.value.split(" ")[0] !== String(algorithm))
    throw new KeyTextError(named?.line ?? 1, otherAlgorithm(named?.value ?? "nothing"));
  const number = fields.get("PrivateKey");
  const line = number?.line ?? 1;
  return { scalar: scalarOf(number?.value ?? "", line), times: timesOf(fields), line };
}

function otherAlgorithm(got: string): string {
  return `expected algorithm ${algorithm} (${algorithmName}), got ${got}: only that is signed with`;
}

function scalarOf(text: string, line: number): Buffer {
  const bytes = decodeBase64(text);
  if (!bytes || bytes.length === 0 || bytes.length > scalarBytes)
    throw new KeyTextError(line, "expected PrivateKey: 32 bytes in base64, got another length");
  const scalar = Buffer.concat([Buffer.alloc(scalarBytes - bytes.length), bytes]);
  try {
    publicKeyOf(scalar);
  } catch (error) {
    throw new KeyTextError(line, `expected a private key of curve P-256, got none (${messageOf(error)})`);
  }
  return scalar;
}

/** Times as dnssec-keygen keeps them. A file without any (ldns-keygen) is a key that signs; one with times but without
 * Activate is only shown. */
function timesOf(fields: ReadonlyMap<string, { readonly value: string; readonly line: number }>): KeyTimes {
  const read = (name: string) => {
    const field = fields.get(name);
    if (!field) return undefined;
    const time = parseTime(field.value);
    if (time === undefined) throw new KeyTextError(field.line, `expected ${name}: YYYYMMDDHHmmSS, got another form`);
    return time;
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
