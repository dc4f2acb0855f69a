import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Document, isMap, parseDocument } from "yaml";
import { ConfigError, problemsOfFile, unmet } from "#shared/config/error.ts";
import type { Place } from "#shared/config/error.ts";
import { loadConfig, parseConfig } from "#shared/config/load.ts";
import { locateIn } from "#shared/config/origin.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { overridesOf, overridesSchema } from "#shared/config/schema/overrides.ts";
import type { OverrideState, Overrides } from "#shared/config/schema/overrides.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import type { Host } from "#shared/server/service.ts";
import { watchFile } from "#shared/server/watch.ts";
import { changesOf, newIn } from "./changes.ts";
import type { OverrideTarget } from "./changes.ts";
import { writeWhole } from "./write-whole.ts";

const none: Overrides = { regions: {}, services: {} };

type Names = Pick<GeodnsConfig, "regions" | "services" | "overrides">;

export interface StoreStatus {
  /** Null: what operators set is forgotten by a restart. */
  readonly file: string | null;
  /** Why the file as it stands is not in force. */
  readonly error: string | null;
  readonly regions: Overrides["regions"];
  readonly services: Overrides["services"];
}

/** What operators have set against the checks: kept in a file, if the config names one, and read again whenever it changes. */
export class OverrideStore {
  readonly #file: string | undefined;
  readonly #host: Host;
  readonly #onChange: () => void;
  #names: Names;
  #overrides = none;
  #error: string | null = null;
  #watcher: { close(): void } | undefined;

  /** @param onChange the overrides in force have changed
   * @throws {UsageError} with line and column, if the file is broken; a file that is not there says nothing */
  constructor(names: Names, host: Host, onChange: () => void) {
    this.#file = fileOf(names);
    this.#names = names;
    this.#host = host;
    this.#onChange = onChange;
    this.#overrides = readOverrides(names) ?? none;
    this.#warnOfStrangers();
  }

  get current(): Overrides {
    return this.#overrides;
  }

  /** Whether a config keeps its overrides in the same place. */
  isOf(names: Pick<Names, "overrides">): boolean {
    return this.#file === fileOf(names);
  }

  status(): StoreStatus {
    return { file: this.#file ?? null, error: this.#error, ...this.#overrides };
  }

  /** From now on these are the names that there are. What is set for others stays in the file, and does nothing. */
  setNames(names: Names): void {
    this.#names = names;
    this.#warnOfStrangers();
  }

  watch(): void {
    if (this.#file !== undefined) this.#watcher = watchFile(this.#file, () => this.#reread());
  }

  close(): void {
    this.#watcher?.close();
  }

  /** Sets one thing, in the file first.
   * @param state undefined: as the checks say again
   * @throws {UsageError} if the file is broken, or cannot be written; then nothing has changed */
  set(target: OverrideTarget, state: OverrideState | undefined): void {
    const document = this.#document();
    const where = pathIn(document, target);
    if (state !== undefined) document.setIn(where, state);
    else if (document.hasIn(where)) document.deleteIn(where); // It throws where nothing stands.
    prune(document, where.slice(0, -1));
    const text = document.toString();
    if (this.#file !== undefined) writeWhole(this.#file, text);
    this.#accept(parseConfig(text, this.#file ?? "overrides", overridesSchema), "admin");
  }

  /** The document as it stands, with the operator's comments. */
  #document(): Document {
    if (this.#file === undefined) return new Document(this.#overrides);
    try {
      // Edited, and not in force: refused, or not read yet. Then it is held to the same as when it is read.
      if (changesOf(this.#overrides, this.#read() ?? none).length > 0) this.#readStrictly();
    } catch (error) {
      throw new UsageError(
        `nothing was changed, as the overrides in force are not those of the file:\n${messageOf(error)}`,
      );
    }
    return existsSync(this.#file) ? parseDocument(readFileSync(this.#file, "utf8")) : new Document({});
  }

  #read(): Overrides | undefined {
    return readOverrides(this.#names);
  }

  /** By name too, as far as it is new: a slip of the pen must not pass for a region that was taken out. */
  #readStrictly(): Overrides | undefined {
    const overrides = this.#read();
    if (this.#file === undefined || !overrides) return overrides;
    const fresh = newIn(changesOf(this.#overrides, overrides));
    if (overridesOf(this.#names).safeParse(fresh).success) return overrides;
    return loadConfig(this.#file, overridesOf(this.#names)); // for the lines
  }

  /** Somebody has changed the file. */
  #reread(): void {
    const { events, log, metrics } = this.#host;
    try {
      this.#accept(this.#readStrictly() ?? none, "file");
    } catch (error) {
      this.#error = messageOf(error);
      metrics.set("watershed_dns_overrides_refused", {}, 1);
      events.emit("overrides_refused", { file: this.#file, error: this.#error });
      log.error({ file: this.#file, error: this.#error }, "overrides_refused");
    }
  }

  #accept(overrides: Overrides, by: "admin" | "file"): void {
    const { events, log, metrics } = this.#host;
    this.#error = null;
    metrics.set("watershed_dns_overrides_refused", {}, 0);
    const changes = changesOf(this.#overrides, overrides);
    if (changes.length === 0) return;
    this.#overrides = overrides;
    for (const change of changes) {
      events.emit("override_set", { ...change, by });
      log.warn({ ...change, by }, "override_set");
    }
    this.#onChange();
  }

  /** A region that was drained and then taken out of the config must not keep the name server from starting. */
  #warnOfStrangers(): void {
    const { success, error } = overridesOf(this.#names).safeParse(this.#overrides);
    if (!success)
      this.#host.log.warn({ file: this.#file, error: error.issues.map(({ message }) => message) }, "overrides_stale");
  }
}

/** What stands in the file of overrides; undefined where there is none.
 * @throws {ConfigError} if it is broken, or its folder is not there: nothing could be kept */
export function readOverrides(names: Pick<Names, "overrides">): Overrides | undefined {
  const file = fileOf(names);
  if (file === undefined) return undefined;
  const isInConfig = names.overrides !== undefined;
  const namedBy: Place = isInConfig ? locateIn(names)(["overrides"]) : { file: "WATERSHED_OVERRIDES", path: "" };
  const folder = path.dirname(file);
  if (!existsSync(folder)) {
    const hint = "make it, and let the name server write in it";
    throw new ConfigError([unmet(namedBy, { expected: `a folder ${folder}`, got: "none", hint })]);
  }
  if (!existsSync(file)) return undefined;
  try {
    return loadConfig(file, overridesSchema);
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(problemsOfFile(error.problems, namedBy)) : error;
  }
}

/** The file that the config names, else the one that whoever started this process names. */
function fileOf({ overrides = process.env["WATERSHED_OVERRIDES"] }: Pick<Names, "overrides">): string | undefined {
  return overrides === undefined || overrides === "" ? undefined : path.resolve(overrides);
}

/** Where a target stands in the file, or would. */
function pathIn(document: Document, { region, service, address }: OverrideTarget): string[] {
  if (service === undefined) return ["regions", region ?? ""];
  if (address === undefined) return ["services", service, "regions", region ?? ""];
  const addresses = ["services", service, "addresses"];
  const map = document.getIn(addresses);
  const written = isMap(map) ? map.items.map(({ key }) => String(key)) : [];
  return [...addresses, written.find((text) => isSameAddress(text, address)) ?? address];
}

function isSameAddress(text: string, address: string): boolean {
  const bytes = parseAddress(text);
  return bytes !== undefined && formatAddress(bytes) === address;
}

/** Takes away mappings that hold nothing any more, from the inside. */
function prune(document: Document, path: readonly string[]): void {
  for (let depth = path.length; depth > 0; depth--) {
    const at = path.slice(0, depth);
    const node = document.getIn(at);
    if (isMap(node) && node.items.length === 0) document.deleteIn(at);
  }
}
