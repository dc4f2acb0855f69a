import type { HealthConfig } from "#shared/config/schema/common.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Random } from "#shared/core/random.ts";
import type { Check, CheckResult, CheckTarget } from "./check.ts";
import { checks } from "./checks.ts";

export interface ProberOptions {
  readonly config: HealthConfig;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: the registered one of `config.type`. */
  readonly check?: Check | undefined;
  /** Every result that counts. `key` is the target's. */
  onResult(key: string, result: CheckResult, atMs: number, tookMs: number): void;
}

const checksAtOnceMax = 512; // half of the usual 1024 file descriptors; the others wait their turn
const repeatsMax = 5; // a loop that is blocked all the time must not hide a dead server for ever
const heartbeatMsMin = 50;
const heartbeatMsMax = 200;
const jitter = 0.1; // of the interval, so that checks of many nodes do not fall into step

/** One target and where it is in its schedule. */
interface Probe {
  readonly key: string;
  readonly target: CheckTarget;
  timer: Timer | undefined;
  running: AbortController | undefined;
  /** Results in a row that were dropped because the loop was blocked. */
  repeats: number;
}

/** Checks many targets, each every interval, none twice at the same time. Failures that were seen while this process's own
 * event loop was blocked say nothing about a target: they are dropped, and the check is repeated. */
export class Prober {
  readonly #options: ProberOptions;
  readonly #firstRound = Promise.withResolvers<void>();
  readonly #check: Check;
  readonly #probes = new Map<string, Probe>();
  readonly #waiting = new Set<Probe>();
  readonly #unanswered = new Set<Probe>();
  readonly #heartbeatMs: number;
  #running = 0;
  #started = false;
  #heartbeat: Timer | undefined;
  #heartbeatDueMs = 0;
  #blockedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#check = options.check ?? checks[options.config.type];
    this.#heartbeatMs = Math.max(heartbeatMsMin, Math.min(heartbeatMsMax, options.config.timeoutMs / 4));
  }

  /** Every target of the start was checked once, or the prober was stopped. */
  get firstRound(): Promise<void> {
    return this.#firstRound.promise;
  }

  /** From now on these targets, by their keys. Those that stay keep their schedule; new ones are checked at once. */
  setTargets(targets: ReadonlyMap<string, CheckTarget>): void {
    for (const [key, probe] of this.#probes) {
      if (targets.has(key)) continue;
      this.#probes.delete(key);
      this.#abandon(probe);
    }
    for (const [key, target] of targets) {
      if (this.#probes.has(key)) continue;
      const probe: Probe = { key, target, timer: undefined, running: undefined, repeats: 0 };
      this.#probes.set(key, probe);
      this.#unanswered.add(probe);
      if (this.#started) this.#begin(probe);
    }
    this.#noteRound();
  }

  /** Checks all targets at once, then each at its own pace. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#beat(this.#options.clock.nowMs());
    for (const probe of this.#probes.values()) this.#begin(probe);
    this.#noteRound();
  }

  /** Ends every check; nothing is reported any more. */
  stop(): void {
    this.#started = false;
    this.#heartbeat?.cancel();
    for (const probe of this.#probes.values()) this.#abandon(probe);
    this.#probes.clear();
    this.#firstRound.resolve();
  }

  #abandon(probe: Probe): void {
    probe.timer?.cancel();
    this.#waiting.delete(probe);
    this.#unanswered.delete(probe);
    probe.running?.abort();
  }

  #begin(probe: Probe): void {
    if (this.#running >= checksAtOnceMax) {
      this.#waiting.add(probe);
      return;
    }
    this.#running++;
    void this.#run(probe).finally(() => {
      this.#running--;
      const [next] = this.#waiting;
      if (!next) return;
      this.#waiting.delete(next);
      this.#begin(next);
    });
  }

  async #run(probe: Probe): Promise<void> {
    const { clock, config } = this.#options;
    const startedMs = clock.nowMs();
    const controller = new AbortController();
    probe.running = controller;
    const deadline = clock.after(config.timeoutMs, () => controller.abort());
    const result = await this.#check(probe.target, config, controller.signal);
    deadline.cancel();
    probe.running = undefined;
    if (!this.#started || this.#probes.get(probe.key) !== probe) return;
    if (!result.passed && probe.repeats < repeatsMax && this.#wasBlockedSince(startedMs)) {
      probe.repeats++;
      probe.timer = clock.after(0, () => this.#begin(probe));
      return;
    }
    probe.repeats = 0;
    this.#unanswered.delete(probe);
    this.#scheduleNext(probe, startedMs);
    const nowMs = clock.nowMs();
    this.#options.onResult(probe.key, result, nowMs, nowMs - startedMs);
    this.#noteRound();
  }

  #scheduleNext(probe: Probe, startedMs: number): void {
    const { clock, config, random } = this.#options;
    const intervalMs = config.intervalMs * (1 - jitter + 2 * jitter * random());
    const delayMs = Math.max(0, startedMs + intervalMs - clock.nowMs());
    probe.timer = clock.after(delayMs, () => this.#begin(probe));
  }

  /** A timer that ought to fire regularly: how late it does is how long the loop was blocked. */
  #beat(nowMs: number): void {
    this.#heartbeatDueMs = nowMs + this.#heartbeatMs;
    this.#heartbeat = this.#options.clock.after(this.#heartbeatMs, () => {
      const lateNowMs = this.#options.clock.nowMs();
      if (this.#isLate(lateNowMs)) this.#blockedUntilMs = lateNowMs;
      this.#beat(lateNowMs);
    });
  }

  #isLate(nowMs: number): boolean {
    return nowMs - this.#heartbeatDueMs > this.#options.config.timeoutMs / 2;
  }

  /** Timers that are overdue fire in any order: the heartbeat may have noticed already, or be overdue itself. */
  #wasBlockedSince(startedMs: number): boolean {
    return this.#blockedUntilMs >= startedMs || this.#isLate(this.#options.clock.nowMs());
  }

  #noteRound(): void {
    if (this.#started && this.#unanswered.size === 0) this.#firstRound.resolve();
  }
}
