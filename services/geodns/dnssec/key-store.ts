import fs from "node:fs";
import path from "node:path";
import { ConfigError } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { UsageError, codeOf, messageOf } from "#shared/core/error.ts";
import { formatName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { generateScalar, keyOf } from "./key.ts";
import type { KeyTimes, ZoneKey } from "./key.ts";
import {
  KeyTextError,
  formatPrivateKey,
  formatPublicKey,
  parsePrivateKey,
  parsePublicKey,
  withTimes,
} from "./key-text.ts";
import { algorithm } from "./rdata.ts";

const keysMax = 16; // of one dnsZone: more would not fit a reply, and a roll needs three
const fileBytesMax = 65_536; // a hundred times what a key file has
const triesMax = 16; // two keys of a dnsZone with the same tag are as likely as 1 in 65,536

/** A key, and the two files that hold it. */
export interface StoredKey {
  readonly key: ZoneKey;
  /** Path without `.key` and `.private`. */
  readonly base: string;
}

/** Every key of a dnsZone in a folder; keys of other dnsZones may stand beside them.
 * @throws {ConfigError} with everything that is wrong with the files of this dnsZone, also if there is none */
export function loadKeys(folder: string, zone: Name): readonly StoredKey[] {
  const bases = new Set<string>();
  for (const name of filesOf(folder)) {
    const match = /^(.+)\.(?:key|private)$/.exec(name);
    if (match?.[1]?.startsWith(`${fileZone(zone)}+`)) bases.add(path.join(folder, match[1]));
  }
  const problems: Problem[] = [];
  if (bases.size === 0)
    problems.push(problem(folder, `has no key of ${formatName(zone)} (watershed dnssec keygen makes one)`));
  if (bases.size > keysMax)
    problems.push(problem(folder, `has ${bases.size} keys of ${formatName(zone)}: ${keysMax} at most`));
  const keys = problems.length > 0 ? [] : [...bases].toSorted().flatMap((base) => loadKey(base, zone, problems) ?? []);
  if (problems.length > 0) throw new ConfigError(problems);
  return keys;
}

function filesOf(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const why = codeOf(error) === "ENOENT" ? "there is no such folder" : messageOf(error);
    throw new ConfigError([problem(folder, why)]);
  }
}

/** The name of a key file up to the algorithm: "Kstream.test." */
function fileZone(zone: Name): string {
  return `K${formatName(zone).replaceAll("/", "%2F")}`;
}

function baseOf(folder: string, { zone, tag }: ZoneKey): string {
  const numbers = [String(algorithm).padStart(3, "0"), String(tag).padStart(5, "0")];
  return path.join(folder, [fileZone(zone), ...numbers].join("+"));
}

function problem(file: string, message: string, line?: number): Problem {
  return line === undefined ? { file, path: "", message } : { file, line, path: "", message };
}

/** @returns undefined if something is wrong, which was added to the problems */
function loadKey(base: string, zone: Name, problems: Problem[]): StoredKey | undefined {
  const readPublic = attempt(`${base}.key`, problems, (file) => parsePublicKey(readText(file, false)));
  const readPrivate = attempt(`${base}.private`, problems, (file) => parsePrivateKey(readText(file, true)));
  if (!readPublic || !readPrivate) return undefined;
  const key = keyOf(zone, readPublic.flags, readPrivate.scalar, readPrivate.times);
  const wrong = (message: string) => void problems.push(problem(`${base}.key`, message, readPublic.line));
  if (readPublic.zone !== zone)
    wrong(`expected a key of ${formatName(zone)}, got one of ${formatName(readPublic.zone)}`);
  else if (!key.dnskey.subarray(4).every((byte, i) => byte === readPublic.publicKey[i]))
    wrong(`is not the other half of ${path.basename(base)}.private`);
  else if (!base.endsWith(`+${String(key.tag).padStart(5, "0")}`)) wrong(`its tag is ${key.tag}, not that of its name`);
  else return { key, base };
  return undefined;
}

function attempt<T>(file: string, problems: Problem[], read: (file: string) => T): T | undefined {
  try {
    return read(file);
  } catch (error) {
    if (error instanceof KeyTextError) problems.push(problem(file, error.message, error.line));
    else problems.push(problem(file, codeOf(error) === "ENOENT" ? "there is no such file" : messageOf(error)));
    return undefined;
  }
}

/** @param secret refuse what anybody but the owner may read or write */
function readText(file: string, secret: boolean): string {
  const descriptor = fs.openSync(file, "r");
  try {
    const { mode, size } = fs.fstatSync(descriptor);
    if (secret && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(3, "0");
      throw new UsageError(`others than its owner may use this private key (mode ${octal}): chmod 600 ${file}`);
    }
    if (size > fileBytesMax) throw new UsageError("is too large for a key file");
    return fs.readFileSync(descriptor, "utf8");
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Makes a key and its files. Nothing is ever written over.
 * @param now seconds since 1970
 * @throws {UsageError} if the folder cannot be written */
export function createKey(folder: string, zone: Name, flags: number, times: KeyTimes, now: number): StoredKey {
  makeFolder(folder);
  for (let tries = 0; tries < triesMax; tries++) {
    const scalar = generateScalar();
    const key = keyOf(zone, flags, scalar, times);
    const base = baseOf(folder, key);
    if (writeKey(base, formatPrivateKey(scalar, times, now), formatPublicKey(key, times, now))) return { key, base };
  }
  throw new UsageError(`${folder}: every tag that was tried is taken`);
}

function makeFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`${folder}: cannot be made: ${messageOf(error)}`);
  }
}

/** @returns false if there is such a file already */
function writeKey(base: string, privateText: string, publicText: string): boolean {
  const written: string[] = [];
  const write = (file: string, text: string, mode: number) => {
    fs.writeFileSync(file, text, { flag: "wx", mode });
    written.push(file);
  };
  try {
    write(`${base}.private`, privateText, 0o600);
    write(`${base}.key`, publicText, 0o644);
    return true;
  } catch (error) {
    for (const file of written) fs.rmSync(file);
    if (codeOf(error) === "EEXIST") return false;
    throw new UsageError(`${base}: cannot be written: ${messageOf(error)}`);
  }
}

/** Writes other times into both files of a key; each is replaced whole, and whatever else it says stays.
 * @throws {UsageError} if they cannot be written */
export function setTimes({ base }: Pick<StoredKey, "base">, times: KeyTimes): void {
  replace(`${base}.private`, withTimes(readText(`${base}.private`, true), times, ""), 0o600);
  replace(`${base}.key`, withTimes(readText(`${base}.key`, false), times, "; "), 0o644);
}

function replace(file: string, text: string, mode: number): void {
  const temporary = `${file}.new`;
  try {
    fs.rmSync(temporary, { force: true });
    fs.writeFileSync(temporary, text, { flag: "wx", mode });
    fs.renameSync(temporary, file);
  } catch (error) {
    throw new UsageError(`${file}: cannot be written: ${messageOf(error)}`);
  }
}
