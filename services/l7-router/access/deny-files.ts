import type { AccessConfig } from "#shared/config/schema/access.ts";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import { ConfigError } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { messageOf } from "#shared/core/error.ts";
import type { Host } from "#shared/server/service.ts";
import { watchFile } from "#shared/server/watch.ts";
import { AccessList } from "./access-list.ts";
import { readDenyFile } from "./deny-file.ts";
import type { DeniedNetworks } from "./deny-file.ts";

interface File {
  readonly file: string;
  networks: DeniedNetworks;
  /** Why the file as it stands is not in force. */
  error: string | null;
}

/** The deny files of a config: read, and not in use yet. */
export class ReadDenyFiles {
  readonly files: ReadonlyMap<string, File>;

  /** @throws {ConfigError} with everything that is wrong in all of them */
  constructor({ listeners, routes }: Pick<L7RouterConfig, "listeners" | "routes">) {
    const files = new Map<string, File>();
    const problems: Problem[] = [];
    for (const { denyFile: file } of [...listeners, ...routes] satisfies AccessConfig[]) {
      if (file === undefined || files.has(file)) continue;
      try {
        files.set(file, { file, networks: readDenyFile(file), error: null });
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        problems.push(...error.problems);
      }
    }
    if (problems.length > 0) throw new ConfigError(problems);
    this.files = files;
  }

  /** The list that some keys of the config make; undefined where they let everybody in. */
  listOf(config: AccessConfig): AccessList | undefined {
    const file = config.denyFile === undefined ? undefined : this.files.get(config.denyFile);
    return config.allow || config.deny || file ? new AccessList(config, file) : undefined;
  }

  /** By the index of the route. */
  ofRoutes({ routes }: Pick<L7RouterConfig, "routes">): (AccessList | undefined)[] {
    return routes.map((route) => this.listOf(route));
  }
}

/** The deny files in use: each is read again when it changes. One that is broken by then is refused, and what it held
 * before stays. */
export class DenyFiles {
  readonly #host: Host;
  readonly #onChange: () => void;
  #inUse: ReadDenyFiles = new ReadDenyFiles({ listeners: [], routes: [] });
  #watchers: readonly { close(): void }[] = [];

  /** @param onChange somebody may be denied who was not */
  constructor(host: Host, onChange: () => void) {
    this.#host = host;
    this.#onChange = onChange;
  }

  use(read: ReadDenyFiles): void {
    this.close();
    for (const name of this.#inUse.files.keys()) this.#count(name, 0, 0);
    this.#inUse = read;
    for (const { file, networks } of read.files.values()) this.#count(file, networks.count, 0);
    this.#watchers = [...read.files.values()].map((file) => watchFile(file.file, () => this.#readAgain(file)));
  }

  status(): { readonly file: string; readonly networks: number; readonly error: string | null }[] {
    return [...this.#inUse.files.values()].map(({ file, networks, error }) => ({
      file,
      networks: networks.count,
      error,
    }));
  }

  /** The files in use, as they are now. */
  get read(): ReadDenyFiles {
    return this.#inUse;
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #readAgain(known: File): void {
    const { log, events } = this.#host;
    const { file } = known;
    try {
      known.networks = readDenyFile(file);
      known.error = null;
      this.#count(file, known.networks.count, 0);
      events.emit("deny_file_read", { file, networks: known.networks.count });
      log.info({ file, networks: known.networks.count }, "deny_file_read");
      this.#onChange();
    } catch (error) {
      known.error = messageOf(error);
      this.#count(file, known.networks.count, 1);
      events.emit("deny_file_refused", { file, error: known.error });
      log.error({ file, error: known.error }, "deny_file_refused");
    }
  }

  #count(file: string, networks: number, refused: 0 | 1): void {
    this.#host.metrics.set("watershed_http_deny_file_networks", { file }, networks);
    this.#host.metrics.set("watershed_http_deny_file_refused", { file }, refused);
  }
}
