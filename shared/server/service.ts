import type { Hono } from "hono";
import type { ZodType } from "zod";
import type { Clock } from "#shared/core/clock.ts";
import type { Random } from "#shared/core/random.ts";
import type { AdminPool } from "#shared/endpoint/status.ts";
import type { DecisionLog, Decision } from "#shared/observe/decisions.ts";
import type { EventLog } from "#shared/observe/events.ts";
import type { Logger } from "#shared/observe/log.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import type { Sharing } from "#shared/net/listen.ts";

/** What a running service is handed: its name, time, chance and instruments. */
export interface Host {
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly events: EventLog;
  readonly decisions: DecisionLog;
  /** Other processes listen on the same sockets. */
  readonly sharing: Sharing | undefined;
  /** Random bytes, the same in all processes that share sockets: for secrets that a client may take from one to another. */
  readonly seed: Uint8Array;
}

/** A running service, as the lifecycle and the admin API see it. */
export interface Service<Config> {
  /** Why it is not ready yet (for people), or undefined once it is. */
  notReady(): string | undefined;
  /** The parts of `GET /status` that only this service has. */
  status(): Record<string, unknown>;
  /** Keys of the status that are added up over the processes of a node; default: `active`. */
  readonly countedInStatus?: ReadonlySet<string>;
  /** What would be decided for this client and request, and why, without doing it.
   * @throws {UsageError} if the query does not say enough */
  explain(query: URLSearchParams): Record<string, unknown>;
  /** A recorded decision that the decision log does not hold, such as that of a live connection. */
  findDecision?(id: string): Decision | undefined | Promise<Decision | undefined>;
  /** Files beside the config that it is made of: --watch reloads when one of them changes. */
  files?(): readonly string[];
  pools(): Iterable<AdminPool>;
  /** Swaps the config whole; what is under way goes on.
   * @throws {UsageError} if a key changed that needs a restart; then nothing has changed */
  reload(config: Config): Promise<void>;
  /** From now on say DRAINING to whoever checks; listeners stay open. */
  drain(): void;
  /** Closes the listeners; resolves when nothing is under way any more. */
  finish(): Promise<void>;
  /** Cuts whatever is left. */
  close(): Promise<void>;
  /** Adds what only this service has to the admin API.
   * @param readOthers what the other processes of the node answer to a GET of this path */
  extendAdmin?(app: Hono, readOthers: (path: string) => Promise<readonly unknown[]>): void;
}

/** The keys of a config that the lifecycle itself reads. */
export interface NodeConfig {
  readonly node?: string | undefined;
  readonly admin?: string | undefined;
  /** Processes that share the sockets; 0: one a core. */
  readonly workers?: number | undefined;
  readonly drain: { readonly holdMs: number; readonly timeoutMs: number };
}

export interface ServiceDefinition<Config extends NodeConfig> {
  readonly name: string;
  readonly schema: ZodType<Config>;
  /** What --check looks at beyond the config itself, such as files that it names.
   * @returns what is odd, but no error
   * @throws {UsageError} with everything that is wrong */
  check?(config: Config): Promise<readonly string[]>;
  /** Every file that a config names, for one that was refused: --watch tries again when one of them changes. */
  filesOf?(config: Config): readonly string[];
  start(config: Config, host: Host): Promise<Service<Config>>;
}
