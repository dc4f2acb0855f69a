import type { Socket } from "node:net";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import type { Host } from "#shared/server/service.ts";
import { DenyFiles, ReadDenyFiles } from "./access/deny-files.ts";
import type { Entrance } from "./entrance.ts";
import { Gate, checkCaps } from "./listener/gate.ts";
import type { Entry, RefusedBy } from "./listener/gate.ts";
import { RateLimiter } from "./policy/rate-limit.ts";

/** What stands before the routes: who gets in, with how many connections, and how often. */
export class Protection {
  readonly rateLimiter: RateLimiter;
  readonly #gate: Gate;
  readonly #denyFiles: DenyFiles;
  #caps: L7RouterConfig["limits"];

  /** @param entranceOf a listener by its address, as it is now
   * @throws {UsageError} for a file that is wrong, or caps that the process cannot keep */
  constructor(config: L7RouterConfig, host: Host, entranceOf: (listener: string) => Entrance) {
    const lists = this.read(config);
    this.rateLimiter = new RateLimiter(config.limits, host.clock);
    this.#caps = config.limits;
    this.#gate = new Gate(host.metrics, (listener) => {
      const { access, closesOnDenied } = entranceOf(listener);
      return closesOnDenied ? access : undefined;
    });
    this.#denyFiles = new DenyFiles(host, () => this.#gate.clear());
    this.#denyFiles.use(lists);
    host.metrics.beforeRender(() => host.metrics.set("watershed_http_connections", {}, this.#gate.openCount));
  }

  /** Reads what is new; nothing changes yet. @throws {UsageError} as above */
  read(config: L7RouterConfig): ReadDenyFiles {
    checkCaps(config.limits);
    return new ReadDenyFiles(config);
  }

  /** As they are in use. */
  get lists(): ReadDenyFiles {
    return this.#denyFiles.read;
  }

  /** From now on this holds, of connections that are open too: those of whoever is denied now end. */
  use({ limits }: L7RouterConfig, lists: ReadDenyFiles, isTrusted: (address: string) => boolean): void {
    if (lists !== this.lists) this.#denyFiles.use(lists);
    this.#caps = limits;
    this.#gate.caps = limits;
    this.#gate.isTrusted = isTrusted;
    this.#gate.clear();
    this.rateLimiter.limits = limits;
  }

  /** A listener has accepted a connection. */
  enter(socket: Socket, listener: string): Entry {
    return this.#gate.enter(socket, listener);
  }

  onConnectionRefused(by: RefusedBy): void {
    this.#gate.refused(by, undefined);
  }

  status(): Record<string, unknown> {
    const { connections: max = trafficLimit.max } = this.#caps;
    return { clientConnections: { open: this.#gate.openCount, max }, denyFiles: this.#denyFiles.status() };
  }

  close(): void {
    this.#denyFiles.close();
  }
}
