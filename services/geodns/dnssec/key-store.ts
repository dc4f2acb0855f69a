import fs from "node:fs";
import path from "node:path";
import { ConfigError, expectation, unmet } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { UsageError, codeOf, messageOf, whyUnreadable } from "#shared/core/error.ts";
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
import type { TextPlace } from "./key-text.ts";
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
  const problems: Problem[] = [];
  const keys = loadAll(folder, zone, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return keys;
}

function loadAll(folder: string, zone: Name, problems: Problem[]): readonly StoredKey[] {
  const bases = new Set<string>();
  const files = filesOf(folder, problems);
  if (!files) return [];
  for (const name of files) {
    const match = /^(.+)\.(?:key|private)$/.exec(name);
    if (match?.[1]?.startsWith(`${fileZone(zone)}+`)) bases.add(path.join(folder, match[1]));
  }
  const name = formatName(zone);
  const wrong = (expected: string, got: string, hint: string) =>
    void problems.push(unmet({ file: folder, path: "" }, { expected, got, hint }));
  if (bases.size === 0) wrong(`a key of ${name}`, `${files.length} other files`, `${keygen(zone, folder)} makes one`);
  if (bases.size > keysMax)
    wrong(`at most ${keysMax} keys of ${name}`, String(bases.size), "move those that are no longer shown elsewhere");
  return problems.length > 0 ? [] : [...bases].toSorted().flatMap((base) => loadKey(base, zone, problems) ?? []);
}

function filesOf(folder: string, problems: Problem[]): string[] | undefined {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    const why = { ENOENT: "there is no such folder", ENOTDIR: "it is no folder" };
    const got = `none: ${why[codeOf(error) as keyof typeof why] ?? whyUnreadable(error)}`;
    const hint = "watershed dnssec keygen makes it, and a key in it";
    problems.push(unmet({ file: folder, path: "" }, { expected: "a folder of keys", got, hint }));
    return undefined;
  }
}

function keygen(zone: Name, folder: string): string {
  return `watershed dnssec keygen ${formatName(zone)} --dir ${folder}`;
}

/** The name of a key file up to the algorithm: "Kstream.test." */
function fileZone(zone: Name): string {
  return `K${formatName(zone).replaceAll("/", "%2F")}`;
}

function baseOf(folder: string, { zone, tag }: ZoneKey): string {
  const numbers = [String(algorithm).padStart(3, "0"), String(tag).padStart(5, "0")];
  return path.join(folder, [fileZone(zone), ...numbers].join("+"));
}

/** @returns undefined if something is wrong, which was added to the problems */
function loadKey(base: string, zone: Name, problems: Problem[]): StoredKey | undefined {
  const readPublic = attempt(`${base}.key`, problems, (file) => parsePublicKey(readText(file, false)));
  const readPrivate = attempt(`${base}.private`, problems, (file) => parsePrivateKey(readText(file, true)));
  if (!readPublic || !readPrivate) return undefined;
  const key = keyOf(zone, readPublic.flags, readPrivate.scalar, readPrivate.times);
  const { place, keyPlace } = readPublic;
  const wrong = ({ line, column }: TextPlace, expected: string, got: string, hint: string) =>
    void problems.push(unmet({ file: `${base}.key`, line, column, path: "" }, { expected, got, hint }));
  const tag = String(key.tag).padStart(5, "0");
  if (readPublic.zone !== zone)
    wrong(place, `a key of ${formatName(zone)}`, `one of ${formatName(readPublic.zone)}`, "the file's name says so");
  else if (!key.dnskey.subarray(4).every((byte, i) => byte === readPublic.publicKey[i]))
    wrong(keyPlace, `the other half of ${path.basename(base)}.private`, "another key", "one of the two was replaced");
  else if (!base.endsWith(`+${tag}`))
    wrong(
      keyPlace,
      "the key whose tag is in the name of its file",
      `one of tag ${key.tag}`,
      `rename it to end in +${tag}`,
    );
  else return { key, base };
  return undefined;
}

function attempt<T>(file: string, problems: Problem[], read: (file: string) => T): T | undefined {
  try {
    return read(file);
  } catch (error) {
    if (error instanceof KeyTextError) problems.push({ file, ...error.place, path: "", message: error.message });
    else if (error instanceof FileRefused) problems.push(unmet({ file, path: "" }, error.parts));
    else {
      const got = `none: ${whyUnreadable(error)}`;
      problems.push(unmet({ file, path: "" }, { expected: "a key file", got, hint: otherHalf }));
    }
    return undefined;
  }
}

const otherHalf = "a key is two files, .key and .private";

/** A file that is not even read. */
class FileRefused extends UsageError {
  readonly parts: Parameters<typeof unmet>[1];

  constructor(file: string, parts: Parameters<typeof unmet>[1]) {
    super(`${file}: ${expectation(parts)}`);
    this.parts = parts;
  }
}

/** @param secret refuse what anybody but the owner may read or write */
function readText(file: string, secret: boolean): string {
  const descriptor = fs.openSync(file, "r");
  try {
    const { mode, size } = fs.fstatSync(descriptor);
    if (secret && (mode & 0o077) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(3, "0");
      const hint = `chmod 600 ${file}`;
      throw new FileRefused(file, { expected: "a private key for its owner alone", got: `mode ${octal}`, hint });
    }
    if (size > fileBytesMax)
      throw new FileRefused(file, { expected: `a key file of at most ${fileBytesMax} bytes`, got: `${size} bytes` });
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
