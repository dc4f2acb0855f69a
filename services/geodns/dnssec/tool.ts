import { Command, CommanderError, InvalidArgumentError } from "commander";
import { ConfigError } from "#shared/config/error.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { formatName, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { dsOf, stateOf } from "./key.ts";
import type { KeyTimes } from "./key.ts";
import { createKey, loadKeys, setTimes } from "./key-store.ts";
import type { StoredKey } from "./key-store.ts";
import { changeTimes, parseMoment } from "./key-times.ts";
import { dsText, formatTime, keyFlags } from "./rdata.ts";

/** `watershed dnssec`: makes the keys of a dnsZone, shows them, and moves their times.
 * @param argv without the program's own name
 * @returns exit code: 0 done, 1 failed, 2 bad usage or key files */
export function runTool(argv: readonly string[], write: (text: string) => void): number {
  const now = Math.floor(Date.now() / 1_000);
  const program = new Command("watershed dnssec")
    .description("Makes and shows the keys that a name server signs a DNS zone with.")
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)");
  // Each command has them, so that they may stand behind its name.
  const add = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .argument("<zone>", "the DNS zone, such as stream.test", zoneOf)
      .option("--dir <folder>", "folder of the key files", ".")
      .option("--json", "as JSON");
  add("keygen", "makes a key, and prints the DS record for the parent; no file is ever written over")
    .option("--zsk", "a zone-signing key; default: an entry point, which signs everything while there is no other")
    .option("--publish-only", "only shown until `set --activate`: the first step of a roll")
    .action((zone: Name, options: KeygenOptions) => write(keygen(zone, options, now)));
  add("ds", "prints the DS records for the parent: of every entry point that is shown or signs").action(
    (zone: Name, options: FolderOptions) => write(showDs(zone, options, now)),
  );
  add("list", "shows every key, what it does now, and when that changes").action((zone: Name, options: FolderOptions) =>
    write(list(zone, options, now)),
  );
  const set = add("set", "moves the times of a key: now, +30d, YYYYMMDDHHmmSS (UTC), or none");
  set.argument("<tag>", "number of the key", Number);
  for (const [name, description] of Object.entries(timeOptions)) set.option(`--${name} <time>`, description);
  set.action((zone: Name, tag: number, options: SetOptions) => write(change(zone, tag, options, now)));
  try {
    program.parse(argv, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // It has said so already.
    process.stderr.write(`${error instanceof ConfigError ? "" : "error: "}${messageOf(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

interface FolderOptions {
  readonly dir: string;
  readonly json?: boolean;
}

interface KeygenOptions extends FolderOptions {
  readonly zsk?: boolean;
  readonly publishOnly?: boolean;
}

type SetOptions = FolderOptions & Partial<Record<keyof KeyTimes, string>>;

const timeOptions = {
  publish: "when it is shown",
  activate: "when it begins to sign",
  inactive: "when it signs no more",
  delete: "when it is shown no more",
} as const satisfies Record<keyof KeyTimes, string>;

function zoneOf(text: string): Name {
  const zone = text === "@" ? undefined : parseName(text, "");
  if (zone === undefined) throw new InvalidArgumentError("It is not a domain name.");
  return zone;
}

/** @throws {UsageError} */
function momentOf(text: string, now: number): number | undefined {
  const moment = text === "none" ? undefined : parseMoment(text, now);
  if (moment === undefined && text !== "none")
    throw new UsageError(`expected now, +30d, YYYYMMDDHHmmSS or none, got ${text}`);
  return moment;
}

function keygen(zone: Name, { dir, zsk, publishOnly, json }: KeygenOptions, now: number): string {
  const times = { publish: now, activate: publishOnly ? undefined : now, inactive: undefined, delete: undefined };
  const stored = createKey(dir, zone, zsk ? keyFlags.zone : keyFlags.entryPoint, times, now);
  if (json) return `${JSON.stringify(toJson(stored, now))}\n`;
  const ds = stored.key.isEntryPoint ? `${dsRecord(stored)}\n` : "";
  return `; ${stored.base}.key and .private\n${ds}`;
}

function showDs(zone: Name, { dir, json }: FolderOptions, now: number): string {
  const keys = loadKeys(dir, zone).filter(
    ({ key }) => key.isEntryPoint && ["published", "active"].includes(stateOf(key, now)),
  );
  if (keys.length === 0) throw new UsageError(`${dir}: no entry point of ${formatName(zone)} is shown or signs`);
  if (json) return `${JSON.stringify(keys.map((stored) => toJson(stored, now)))}\n`;
  return keys.map((stored) => `${dsRecord(stored)} ; ${stateOf(stored.key, now)}\n`).join("");
}

function dsRecord({ key }: StoredKey): string {
  return `${formatName(key.zone)} IN DS ${dsText(dsOf(key))}`;
}

function list(zone: Name, { dir, json }: FolderOptions, now: number): string {
  const keys = loadKeys(dir, zone).map((stored) => toJson(stored, now));
  if (json) return `${JSON.stringify(keys)}\n`;
  const rows = keys.map(({ tag, flags, state, times }) => {
    const set = Object.entries(times).flatMap(([name, time]) => (time === null ? [] : [`${name} ${time}`]));
    return [String(tag).padEnd(5), String(flags).padEnd(5), state.padEnd(9), set.join(", ")];
  });
  return [["tag  ", "flags", "state    ", "times"], ...rows].map((row) => `${row.join("  ")}\n`).join("");
}

function toJson({ key, base }: StoredKey, now: number) {
  const text = (time: number | undefined) => (time === undefined ? null : formatTime(time));
  const { publish, activate, inactive, delete: end } = key.times;
  const times = { publish: text(publish), activate: text(activate), inactive: text(inactive), delete: text(end) };
  const { zone, tag, flags, isEntryPoint } = key;
  const ds = isEntryPoint ? dsText(dsOf(key)) : null;
  return { dnsZone: formatName(zone), tag, flags, state: stateOf(key, now), times, ds, file: base };
}

function change(zone: Name, tag: number, options: SetOptions, now: number): string {
  const keys = loadKeys(options.dir, zone);
  const stored = keys.find(({ key }) => key.tag === tag);
  if (!stored)
    throw new UsageError(`${options.dir}: there is no key ${tag} (${keys.map(({ key }) => key.tag).join(", ")})`);
  const { publish, activate, inactive, delete: end } = options;
  const given = Object.entries({ publish, activate, inactive, delete: end }).filter(([, text]) => text !== undefined);
  if (given.length === 0) throw new UsageError(`say which time: ${Object.keys(timeOptions).join(", ")}`);
  const times = Object.fromEntries(given.map(([name, text]) => [name, momentOf(text ?? "", now)]));
  setTimes(stored, changeTimes(keys, stored, times, now));
  return list(zone, options, now);
}

if (import.meta.main) process.exitCode = runTool(process.argv.slice(2), (text) => process.stdout.write(text));
