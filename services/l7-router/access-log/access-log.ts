import type { AccessLogConfig } from "#shared/config/schema/access-log.ts";
import type { Host } from "#shared/server/service.ts";
import { formats } from "./format.ts";
import type { AccessEntry, AccessFormat } from "./format.ts";
import { LineWriter } from "./line-writer.ts";

const complaintMs = 60_000; // a log that cannot be written must not fill the other one

/** The access log of a router: what of it is written, and where. */
export class AccessLog {
  readonly #config: AccessLogConfig;
  readonly #host: Host;
  readonly #format: AccessFormat;
  readonly #writer: LineWriter;
  #complainedMs = Number.NEGATIVE_INFINITY;

  private constructor(config: AccessLogConfig, host: Host, former: AccessLog | undefined) {
    this.#config = config;
    this.#host = host;
    this.#format = formats[config.format]({ service: "l7-router", node: host.node });
    this.#writer =
      former === undefined
        ? new LineWriter({ to: config.to, clock: host.clock, onDropped: (lines, why) => this.#dropped(lines, why) })
        : former.#writer;
  }

  /** The log that a config asks for, its file opened: anew if it was open.
   * @throws {UsageError} naming a file that cannot be opened; then nothing has changed */
  static async open(
    config: AccessLogConfig | undefined,
    host: Host,
    former: AccessLog | undefined,
  ): Promise<AccessLog | undefined> {
    if (!config) return undefined;
    const log = new AccessLog(
      config,
      host,
      former !== undefined && former.#config.to === config.to ? former : undefined,
    );
    await log.#writer.open();
    return log;
  }

  /** Whether the request that has just ended is logged. */
  isWanted(): boolean {
    return this.#config.percent === 100 || this.#host.random() * 100 < this.#config.percent;
  }

  write(entry: AccessEntry): void {
    this.#writer.add(this.#format(entry));
  }

  /** @param next takes over: what both write to stays open */
  async close(next: AccessLog | undefined): Promise<void> {
    if (next === undefined || next.#writer !== this.#writer) await this.#writer.close();
  }

  #dropped(lines: number, why: string): void {
    const { metrics, log, clock } = this.#host;
    metrics.count("watershed_http_log_lines_dropped_total", {}, lines);
    if (clock.nowMs() - this.#complainedMs < complaintMs) return;
    this.#complainedMs = clock.nowMs();
    log.error({ lines, why, to: this.#config.to }, "access_log_dropped");
  }
}
