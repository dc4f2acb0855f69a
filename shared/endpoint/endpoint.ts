import type { Candidate } from "#shared/balance/picker.ts";
import { PeakEwma } from "#shared/balance/peak-ewma.ts";
import type { EndpointConfig } from "#shared/config/schema/common.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";
import { assert } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { forgiveFlaps } from "#shared/health/state.ts";
import type { HealthState } from "#shared/health/state.ts";
import { Drain } from "./drain.ts";
import { OutlierWindow } from "./outlier-window.ts";
import { afterEjection, afterFailure, afterSuccess, eject, noOutlier } from "./outlier.ts";
import type { OutlierRules } from "./outlier.ts";
import { slowStartShare } from "./slow-start.ts";
import type { AdminState, EndpointStatus } from "./status.ts";

/** Where an endpoint stands, all causes taken together. */
export interface Standing {
  readonly state: EndpointStatus["state"];
  readonly eligible: boolean;
  readonly reason: Reason;
  /** For people. */
  readonly detail: string;
}

/** What an endpoint needs of its pool. */
export interface EndpointOwner {
  readonly clock: Clock;
  outlierRules(): OutlierRules | undefined;
  /** Whether the pool can spare one more endpoint. */
  mayEject(): boolean;
  /** Of the mean times of the endpoints beside this one; undefined where none has one. */
  medianOfOthersMs(endpoint: Endpoint): number | undefined;
  standingChanged(endpoint: Endpoint, before: Standing): void;
  /** It drains and has nothing left to do. */
  emptied(endpoint: Endpoint): void;
}

/** One address:port of a pool: its health, its admin state, what is under way, and how it did so far. */
export class Endpoint implements Candidate {
  /** "host:port" as in the config. */
  readonly id: string;
  readonly host: string;
  readonly port: number;
  #own = 0;
  #counted = 0;
  readonly #owner: EndpointOwner;
  readonly #latency = new PeakEwma();
  readonly #ineligibleListeners = new Set<() => void>();
  readonly drain: Drain;
  #config: EndpointConfig;
  #admin: AdminState = "enabled";
  #health: HealthState;
  #outlier = noOutlier;
  readonly #window = new OutlierWindow();
  #ejection: Timer | undefined;
  /** For people. */
  #ejectedFor = "";
  #standing: Standing;
  #sinceMs: number;
  /** When it came back; undefined before it ever was away. */
  #cameBackMs: number | undefined;
  #weightShare = 1;
  #operatorWeight: number | undefined;
  #isStopped = false;
  #isRemoved = false;

  constructor(config: EndpointConfig, health: HealthState, owner: EndpointOwner) {
    const address = parseSocketAddress(config.address);
    assert(address, `${config.address} was validated with the config`);
    this.id = config.address;
    this.host = address.host;
    this.port = address.port;
    this.#config = config;
    this.#health = health;
    this.#owner = owner;
    this.drain = new Drain(owner.clock, () => owner.emptied(this));
    this.#standing = this.#judge();
    this.#sinceMs = owner.clock.nowMs();
  }

  get name(): string {
    return this.#config.name ?? this.id;
  }

  get zone(): string | undefined {
    return this.#config.zone;
  }

  get backup(): boolean {
    return this.#config.backup;
  }

  /** As configured or set by an operator, less what slow start takes. */
  get weight(): number {
    return (this.#operatorWeight ?? this.#config.weight) * this.#weightShare;
  }

  /** Holds until the config gives it another weight. */
  setWeight(weight: number): void {
    this.#operatorWeight = weight;
  }

  get configuredWeight(): number {
    return this.#config.weight;
  }

  get eligible(): boolean {
    return this.#standing.eligible;
  }

  /** `OK` or `FORCED_UP`, or why it is not eligible. */
  get reason(): Reason {
    return this.#standing.reason;
  }

  /** What the operator has set. */
  get admin(): AdminState {
    return this.#admin;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Monotonic: when the state last changed. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  get health(): HealthState {
    return this.#health;
  }

  get ejected(): boolean {
    return this.#outlier.ejectedUntilMs !== undefined;
  }

  /** Nobody asked it to rest: neither the operator nor the endpoint itself. Panic uses these. */
  get usable(): boolean {
    return this.#admin === "up" || (this.#admin === "enabled" && this.#health.reason !== "DRAINING");
  }

  /** A check has judged it, or the operator, or nobody checks. */
  get known(): boolean {
    return this.#admin === "up" || this.#health.status !== "unknown";
  }

  /** Requests or connections under way. The service counts them: an attempt ends before they do. */
  get active(): number {
    return this.#own + this.#counted;
  }

  begin(): void {
    this.#own++;
  }

  end(): void {
    assert(this.#own > 0, `${this.id} ended more than it began`);
    this.#own--;
    if (this.#own === 0 && !this.eligible) this.#noteEmpty();
  }

  /** Says how many more are under way that this process does not carry itself. */
  setCounted(count: number): void {
    this.#counted = count;
  }

  latencyMs(nowMs: number): number {
    return this.#latency.valueMs(nowMs);
  }

  /** Time to the first byte of an answer, of a connect or of a check. One that is much slower than the others may be ejected. */
  observeLatency(latencyMs: number, nowMs: number): void {
    this.#latency.observe(latencyMs, nowMs);
    const rules = this.#rulesNow();
    if (rules?.slowerThan === undefined) return;
    const why = this.#window.time(latencyMs, nowMs, rules, () => this.#owner.medianOfOthersMs(this));
    if (why !== undefined) this.#ejectFor(why, nowMs, rules);
  }

  /** Mean of the last window, where slowness may eject. */
  get meanMs(): number | undefined {
    return this.#window.meanMs;
  }

  /** Real traffic went well. */
  succeeded(nowMs: number): void {
    this.#outlier = afterSuccess(this.#outlier);
    const rules = this.#rulesNow();
    if (rules?.errorPercent !== undefined) this.#window.count(false, nowMs, rules);
  }

  /** Real traffic failed and it was the endpoint's fault: enough of it in a row ejects, or a large share. */
  failed(nowMs: number, reason: Reason): void {
    const rules = this.#rulesNow();
    if (!rules) return;
    this.#outlier = afterFailure(this.#outlier, nowMs, rules, () => this.#owner.mayEject());
    const why = rules.errorPercent === undefined ? undefined : this.#window.count(true, nowMs, rules);
    if (this.ejected) this.#isNowEjected(`after ${reason}`, nowMs);
    else if (why !== undefined) this.#ejectFor(why, nowMs, rules);
  }

  /** Undefined while traffic changes nothing. */
  #rulesNow(): OutlierRules | undefined {
    return this.ejected || this.#isStopped ? undefined : this.#owner.outlierRules();
  }

  #ejectFor(why: string, nowMs: number, rules: OutlierRules): void {
    if (!this.#owner.mayEject()) return;
    this.#outlier = eject(this.#outlier, nowMs, rules);
    this.#isNowEjected(why, nowMs);
  }

  #isNowEjected(why: string, nowMs: number): void {
    this.#ejectedFor = why;
    this.#window.clear();
    const untilMs = this.#outlier.ejectedUntilMs ?? nowMs;
    this.#ejection = this.#owner.clock.after(untilMs - nowMs, () => this.giveBack());
    this.#settle();
  }

  /** Ends its ejection, if it is ejected. */
  giveBack(): void {
    this.#ejection?.cancel();
    if (!this.ejected) return;
    this.#outlier = afterEjection(this.#outlier, this.#owner.clock.nowMs());
    this.#settle();
  }

  setHealth(health: HealthState): void {
    this.#health = health;
    this.#settle();
  }

  /** "enabled" ends a hold after flapping too. @param cutAfterMs while it drains: then what is left is cut */
  setAdmin(state: AdminState, cutAfterMs?: number): void {
    this.#admin = state;
    if (state === "enabled") this.#health = forgiveFlaps(this.#health);
    this.drain.cancel();
    this.#settle();
    if (state === "draining" && cutAfterMs !== undefined) this.drain.cutAfter(cutAfterMs);
  }

  #noteEmpty(): void {
    this.drain.look(this.#standing.state === "draining", this.active);
  }

  /** A reload: same address, perhaps another name, weight, zone or rank. */
  reconfigure(config: EndpointConfig): void {
    if (config.weight !== this.#config.weight) this.#operatorWeight = undefined;
    this.#config = config;
  }

  /** Ends its timers: from now on traffic changes nothing. */
  stop(): void {
    this.#isStopped = true;
    this.#ejection?.cancel();
    this.drain.cancel();
  }

  /** It left the pool: never eligible again, though work under way may still end on it. What hangs on it is told. */
  remove(): void {
    this.stop();
    this.#isRemoved = true;
    this.#standing = this.#judge();
    this.#tellIneligible();
    this.#ineligibleListeners.clear();
  }

  /** Sets the share of its weight that slow start leaves it.
   * @returns whether the share still grows */
  growWeight(nowMs: number, slowStartMs: number): boolean {
    this.#weightShare = this.#cameBackMs === undefined ? 1 : slowStartShare(nowMs - this.#cameBackMs, slowStartMs);
    return this.#weightShare < 1;
  }

  /** Calls when the endpoint stops being eligible or leaves the pool: the service hangs its kept connections here.
   * @returns how to stop listening */
  onIneligible(listener: () => void): () => void {
    this.#ineligibleListeners.add(listener);
    return () => void this.#ineligibleListeners.delete(listener);
  }

  #settle(): void {
    const before = this.#standing;
    const now = this.#judge();
    this.#standing = now;
    if (before.state === now.state) return;
    this.#noteEmpty();
    this.#sinceMs = this.#owner.clock.nowMs();
    if (now.eligible && before.state !== "unknown") this.#cameBackMs = this.#sinceMs;
    this.#owner.standingChanged(this, before);
    if (before.eligible && !now.eligible) this.#tellIneligible();
  }

  #tellIneligible(): void {
    for (const listener of this.#ineligibleListeners) listener();
  }

  /** The operator's word first, then the checks', then traffic's. */
  #judge(): Standing {
    const away = { eligible: false } as const;
    if (this.#isRemoved) return { ...away, state: "disabled", reason: "DISABLED", detail: "no longer in the config" };
    if (this.#admin === "disabled")
      return { ...away, state: "disabled", reason: "DISABLED", detail: "by the operator" };
    if (this.#admin === "draining")
      return { ...away, state: "draining", reason: "DRAINING", detail: "by the operator" };
    if (this.#admin === "up") return { state: "up", eligible: true, reason: "FORCED_UP", detail: "by the operator" };
    const { status, reason, detail } = this.#health;
    if (status === "unknown") return { ...away, state: "unknown", reason, detail };
    if (status === "down") return { ...away, state: reason === "DRAINING" ? "draining" : "down", reason, detail };
    if (this.ejected) return { ...away, state: "ejected", reason: "EJECTED", detail: this.#ejectedFor };
    return { state: "up", eligible: true, reason: "OK", detail };
  }
}
