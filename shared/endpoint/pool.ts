import { pickers } from "#shared/balance/registry.ts";
import type { BalanceName, EndpointConfig, PoolConfig } from "#shared/config/schema/common.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import { assumedHealth, observe, unknownHealth } from "#shared/health/state.ts";
import { bucketName } from "./affinity-order.ts";
import type { ChooseRequest, PoolChoice } from "./choice.ts";
import { ChoiceOrder } from "./choice-order.ts";
import { Endpoint } from "./endpoint.ts";
import type { EndpointOwner, Standing } from "./endpoint.ts";
import { medianMeanMs } from "./outlier-window.ts";
import { canSpare } from "./outlier.ts";
import { takeCensus } from "./panic.ts";
import type { Census } from "./panic.ts";
import { PoolChecks } from "./pool-checks.ts";
import type { CheckedEndpoint, PoolChecksOptions } from "./pool-checks.ts";
import { PoolReporter } from "./pool-reporter.ts";
import type { Instruments } from "./pool-reporter.ts";
import { describeChoice, describeEndpoint, isoSince } from "./report.ts";
import { slowStartStepMs } from "./slow-start.ts";
import type { AdminPool, AdminState, Choice, PoolStatus } from "./status.ts";

export type { ChooseRequest, PoolChoice } from "./choice.ts";

export interface PoolOptions extends PoolChecksOptions, Instruments {
  readonly config: PoolConfig;
  /** Where this node stands: endpoints of this zone are preferred. */
  readonly zone?: string | undefined;
}

/** Endpoints that serve one purpose: checks them, knows who is eligible, and chooses. */
export class Pool implements AdminPool {
  readonly name: string;
  readonly clock: Clock;
  /** Every endpoint was checked once, or the pool was stopped. Resolved at once without checks. */
  readonly firstRound: Promise<void>;
  /** Response times are those of the checks: for whoever sees no connect of his own. */
  measuresByChecks = false;
  readonly #order: ChoiceOrder;
  readonly #reporter: PoolReporter;
  readonly #owner: EndpointOwner;
  readonly #checks: PoolChecks;
  readonly #listeners = new Set<() => void>();
  readonly #checkListeners = new Set<() => void>();
  #isStarted = false;
  #isFirstRound = true;
  #config: PoolConfig;
  #balance: BalanceName;
  #endpoints: readonly Endpoint[] = [];
  #byAddress: ReadonlyMap<string, Endpoint> = new Map();
  #census: Census = { eligible: 0, panic: false, candidates: [] };
  #isOrderStale = true;
  #slowStart: Timer | undefined;

  constructor(options: PoolOptions) {
    this.name = options.name;
    this.clock = options.clock;
    this.#config = options.config;
    this.#balance = options.config.balance;
    this.#order = new ChoiceOrder(options.random, options.zone);
    this.#reporter = new PoolReporter(options);
    this.#owner = this.#ownerOfEndpoints();
    this.#checks = new PoolChecks(options, (checked) => this.#noteCheck(checked));
    this.firstRound = this.#checks.firstRound.then(() => this.#firstRoundIsOver());
    this.#setEndpoints(options.config.endpoints);
    this.#checks.set(options.config.health, this.#endpoints);
  }

  get config(): PoolConfig {
    return this.#config;
  }

  get balance(): BalanceName {
    return this.#balance;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  get eligibleCount(): number {
    return this.#census.eligible;
  }

  /** Too few are eligible: all are used. */
  get panic(): boolean {
    return this.#census.panic;
  }

  /** At least one is eligible, and the share that the panic threshold asks for. */
  get healthy(): boolean {
    return this.#census.eligible > 0 && !this.#census.panic;
  }

  /** Begins to check, if there is a health config, and to report. */
  start(): void {
    this.#isStarted = true;
    for (const endpoint of this.#endpoints) this.#reporter.added(endpoint);
    this.#checks.start();
  }

  /** Ends checks and timers; what is under way goes on. Its endpoints are reported as removed.
   * @param successor has taken over the name: what it has too is not removed */
  stop(successor?: Pool): void {
    const gone = this.#isStarted ? this.#endpoints.filter(({ id }) => !successor?.has(id)) : [];
    this.#isStarted = false;
    this.#checks.stop();
    this.#slowStart?.cancel();
    for (const endpoint of this.#endpoints) endpoint.stop();
    for (const endpoint of gone) this.#reporter.removed(endpoint, "its pool has ended");
  }

  /** @param address "host:port" as in the config */
  has(address: string): boolean {
    return this.#byAddress.has(address);
  }

  /** Chooses an endpoint for one attempt: own zone, other zones, backups; a retry asks another zone first. */
  choose(request: ChooseRequest): PoolChoice {
    if (this.#isOrderStale) this.#rebuildOrder();
    const { affinity, tried, peek = false, elsewhere = false } = request;
    const isAffine = affinity !== undefined;
    const balance = isAffine ? "ip-hash" : (request.balance ?? this.#balance);
    const hash = isAffine ? hash32(bucketName(affinity)) : request.hash;
    // A client that has a place of its own keeps it, and whoever only looks sees the rule.
    const isFree = tried.length === 0 && balance !== "ip-hash" && !peek;
    const order = this.#order;
    const step = isAffine ? order.affine(affinity, tried, elsewhere) : isFree ? order.spread() : order.stepFor(tried);
    const endpoint = step?.group.pick({ balance, hash, tried, peek, nowMs: this.clock.nowMs() });
    if (step && endpoint) return { endpoint, reason: step.reason, members: step.group.members };
    return { endpoint: undefined, reason: this.#endpoints.length === 0 ? "NO_ENDPOINT" : "NO_HEALTHY" };
  }

  /** Among whom a first attempt chooses now. */
  serving(): readonly Endpoint[] {
    if (this.#isOrderStale) this.#rebuildOrder();
    return this.#order.stepFor([])?.group.members ?? [];
  }

  /** Whether a further attempt would find somebody. */
  canRetry(tried: readonly Endpoint[]): boolean {
    if (this.#isOrderStale) this.#rebuildOrder();
    return this.#order.stepFor(tried)?.group.hasUntried(tried) ?? false;
  }

  /** The choice with every candidate's reason, for explain and trace. Describe it before anything else happens. */
  describe(choice: PoolChoice, tried: readonly Endpoint[], balance = this.#balance): Choice {
    const { members = [] } = choice;
    return describeChoice({ pool: this.name, balance, choice, tried, members, endpoints: this.#endpoints });
  }

  /** Takes a new config. Endpoints that stay keep their health, counts, latency and admin state. */
  update(config: PoolConfig): void {
    const before = this.#config;
    this.#config = config;
    if (config.balance !== before.balance) this.#balance = config.balance;
    this.#setEndpoints(config.endpoints);
    if (!config.outlier) for (const endpoint of this.#endpoints) endpoint.giveBack();
    this.#checks.set(config.health, this.#endpoints);
    if (before.health && !config.health)
      for (const endpoint of this.#endpoints) endpoint.setHealth(assumedHealth(this.clock.nowMs()));
    this.#membersChanged();
  }

  /** Calls when the eligibility of any endpoint changed, and after every update.
   * @returns how to stop listening */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Calls after every check, whatever it said: the health of an endpoint may be on its way to another state.
   * @returns how to stop listening */
  onCheck(listener: () => void): () => void {
    this.#checkListeners.add(listener);
    return () => void this.#checkListeners.delete(listener);
  }

  status(): PoolStatus {
    const nowMs = this.clock.nowMs();
    const toIso = isoSince(Date.now() - nowMs);
    return {
      name: this.name,
      balance: this.#balance,
      eligible: this.#census.eligible,
      panic: this.#census.panic,
      essential: this.#config.essential,
      endpoints: this.#endpoints.map((endpoint) => describeEndpoint(endpoint, nowMs, toIso)),
    };
  }

  setEndpointState(address: string, state: AdminState, cutAfterMs?: number): boolean {
    if (cutAfterMs !== undefined) this.#reporter.checkCut();
    const endpoint = this.#byAddress.get(address);
    endpoint?.setAdmin(state, cutAfterMs);
    return endpoint !== undefined;
  }

  /** Holds until the config's own balance changes.
   * @throws {UsageError} for a name that no algorithm has */
  setBalance(balance: BalanceName): void {
    if (!Object.hasOwn(pickers, balance))
      throw new UsageError(`there is no balance "${balance}" (known: ${Object.keys(pickers).join(", ")})`);
    this.#balance = balance;
  }

  setEndpointWeight(address: string, weight: number): boolean {
    const endpoint = this.#byAddress.get(address);
    endpoint?.setWeight(weight);
    if (endpoint) this.#membersChanged();
    return endpoint !== undefined;
  }

  /** One attempt at one of its endpoints has ended so. */
  countAttempt(endpoint: Endpoint, result: Reason): void {
    this.#reporter.attempt(endpoint, result);
  }

  #ownerOfEndpoints(): EndpointOwner {
    return {
      clock: this.clock,
      outlierRules: () => this.#config.outlier,
      mayEject: () => this.#mayEject(),
      medianOfOthersMs: (endpoint) => medianMeanMs(this.#endpoints, endpoint),
      emptied: (endpoint) => this.#reporter.emptied(endpoint),
      standingChanged: (endpoint, before) => this.#standingChanged(endpoint, before),
    };
  }

  #mayEject(): boolean {
    const { outlier } = this.#config;
    const ejected = this.#endpoints.filter((endpoint) => endpoint.ejected).length;
    return outlier !== undefined && canSpare(ejected, this.#endpoints.length, outlier);
  }

  #standingChanged(endpoint: Endpoint, before: Standing): void {
    this.#reporter.standing(endpoint, before);
    if (before.eligible === endpoint.eligible) return this.#recount(); // Who may be used in panic may have changed.
    if (endpoint.eligible && this.#config.slowStartMs > 0) this.#growWeights();
    this.#membersChanged();
  }

  #setEndpoints(configs: readonly EndpointConfig[]): void {
    const byAddress = new Map<string, Endpoint>();
    for (const config of configs) {
      const known = this.#byAddress.get(config.address);
      known?.reconfigure(config);
      byAddress.set(config.address, known ?? this.#createEndpoint(config));
    }
    const gone = this.#endpoints.filter((endpoint) => !byAddress.has(endpoint.id));
    this.#byAddress = byAddress;
    this.#endpoints = [...byAddress.values()];
    this.#recount();
    for (const endpoint of gone) {
      endpoint.remove();
      this.#reporter.removed(endpoint, endpoint.standing.detail);
    }
  }

  #createEndpoint(config: EndpointConfig): Endpoint {
    const nowMs = this.clock.nowMs();
    const health = this.#config.health ? unknownHealth(nowMs) : assumedHealth(nowMs);
    const endpoint = new Endpoint(config, health, this.#owner);
    if (this.#isStarted) this.#reporter.added(endpoint);
    return endpoint;
  }

  #noteCheck({ address, result, atMs, tookMs, health }: CheckedEndpoint): void {
    this.#reporter.check(result);
    const endpoint = this.#byAddress.get(address);
    if (this.measuresByChecks && result.passed) endpoint?.observeLatency(tookMs, atMs);
    endpoint?.setHealth(observe(endpoint.health, { ...result, atMs }, health));
    for (const listener of this.#checkListeners) listener();
  }

  #firstRoundIsOver(): void {
    this.#isFirstRound = false;
    this.#reportPanic();
  }

  #membersChanged(): void {
    this.#recount();
    for (const listener of this.#listeners) listener();
  }

  #recount(): void {
    this.#isOrderStale = true;
    this.#census = takeCensus(this.#endpoints, this.#config.panicThreshold);
    this.#reportPanic();
  }

  #reportPanic(): void {
    const { panic, eligible } = this.#census;
    if (this.#isStarted && !this.#isFirstRound) this.#reporter.panic(panic, eligible, this.#endpoints.length);
  }

  #rebuildOrder(): void {
    this.#order.rebuild(this.#endpoints, this.#census, this.#config.spillOverBelow);
    this.#isOrderStale = false;
  }

  /** Slow start: lets the weights of those who came back grow, step by step, until all are whole. */
  #growWeights(): void {
    const { slowStartMs } = this.#config;
    this.#slowStart?.cancel();
    const nowMs = this.clock.nowMs();
    const growing = this.#endpoints.filter((endpoint) => endpoint.growWeight(nowMs, slowStartMs)).length;
    this.#isOrderStale = true;
    if (growing > 0) this.#slowStart = this.clock.after(slowStartStepMs(slowStartMs), () => this.#growWeights());
  }
}
