import type { HealthConfig, ProxyVersion } from "#shared/config/schema/common.ts";
import type { Clock } from "#shared/core/clock.ts";
import type { Random } from "#shared/core/random.ts";
import type { Check, CheckResult, CheckTarget } from "#shared/health/check.ts";
import { Prober } from "#shared/health/prober.ts";
import type { Endpoint } from "./endpoint.ts";

/** One result of a check, with the health config by which it was made. */
export interface CheckedEndpoint {
  readonly address: string;
  readonly result: CheckResult;
  readonly atMs: number;
  readonly tookMs: number;
  readonly health: HealthConfig;
}

export interface PoolChecksOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Source address of checks. */
  readonly localAddress?: string | undefined;
  /** Checks begin with a PROXY LOCAL header of this version. */
  readonly checkProxyProtocol?: ProxyVersion | undefined;
  /** Default: the registered one of the config's health type. */
  readonly check?: Check | undefined;
}

/** The checks of a pool: one prober for as long as the health config stays the same. */
export class PoolChecks {
  readonly #options: PoolChecksOptions;
  readonly #firstRound = Promise.withResolvers<void>();
  readonly #onResult: (checked: CheckedEndpoint) => void;
  #health: HealthConfig | undefined;
  #prober: Prober | undefined;
  #isStarted = false;

  constructor(options: PoolChecksOptions, onResult: (checked: CheckedEndpoint) => void) {
    this.#options = options;
    this.#onResult = onResult;
  }

  /** Every endpoint was checked once, or nothing is to be checked any more. */
  get firstRound(): Promise<void> {
    return this.#firstRound.promise;
  }

  /** From now on these endpoints are checked so. Those that stay keep their schedule unless the health config changed. */
  set(health: HealthConfig | undefined, endpoints: readonly Endpoint[]): void {
    const isSame = JSON.stringify(health) === JSON.stringify(this.#health);
    this.#health = health;
    if (!health) return this.#drop();
    if (!this.#prober || !isSame) {
      this.#prober?.stop();
      this.#prober = this.#createProber(health);
    }
    this.#prober.setTargets(this.#targets(health, endpoints));
    if (this.#isStarted) this.#prober.start(); // After its targets: without any, its first round would be over at once.
  }

  start(): void {
    this.#isStarted = true;
    this.#prober?.start();
  }

  stop(): void {
    this.#isStarted = false;
    this.#drop();
  }

  #drop(): void {
    this.#prober?.stop();
    this.#prober = undefined;
    this.#firstRound.resolve();
  }

  #createProber(health: HealthConfig): Prober {
    const { clock, random, check } = this.#options;
    const prober = new Prober({
      config: health,
      clock,
      random,
      check,
      onResult: (address, result, atMs, tookMs) => this.#onResult({ address, result, atMs, tookMs, health }),
    });
    // One that was replaced before its first round ended leaves that round to the next.
    void prober.firstRound.then(() => this.#prober === prober && this.#firstRound.resolve());
    return prober;
  }

  #targets(health: HealthConfig, endpoints: readonly Endpoint[]): Map<string, CheckTarget> {
    const { localAddress, checkProxyProtocol: proxyProtocol } = this.#options;
    return new Map(
      endpoints.map(({ id, host, port }) => [id, { host, port: health.port ?? port, localAddress, proxyProtocol }]),
    );
  }
}
