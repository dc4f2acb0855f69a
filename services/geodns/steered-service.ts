import type { BalanceName, PoolConfig } from "#shared/config/schema/common.ts";
import type { GeoServiceConfig, GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { overrideStates } from "#shared/config/schema/overrides.ts";
import type { OverrideState, Overrides } from "#shared/config/schema/overrides.ts";
import { formatAddress, formatSocketAddress, parseAddress } from "#shared/core/cidr.ts";
import { UsageError, assert } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import { Pool } from "#shared/endpoint/pool.ts";
import type { AdminPool, AdminState, PoolStatus } from "#shared/endpoint/status.ts";
import type { Host } from "#shared/server/service.ts";
import { addressOverride, regionOverride } from "./overrides/changes.ts";
import type { OverrideTarget } from "./overrides/changes.ts";
import { adminOf, overrideOf, underRegion } from "./overrides/states.ts";
import type { AddressView, RegionView, ServiceView } from "./snapshot.ts";
import { orderNames } from "./steer/order.ts";
import type { OrderName } from "./steer/order.ts";
import { defaultTtlMin, isChanging } from "./steer/ttl.ts";
import { types } from "./wire/codes.ts";
import { encodeAddress } from "./wire/encode.ts";

const firstRoundMsMax = 5_000; // a check that hangs must not keep the name server silent for longer

export interface SteeredServiceOptions {
  readonly name: string;
  readonly config: GeoServiceConfig;
  readonly host: Host;
  readonly localAddress: string | undefined;
  /** Against the other regions, by their names. */
  readonly capacities: Capacities;
  /** What operators have set, as it stands. */
  readonly overrides: () => Overrides;
  /** Sets it for one address.
   * @throws {UsageError} if it cannot be kept; then nothing has changed */
  readonly override: (target: OverrideTarget, state: OverrideState | undefined) => void;
  /** Health, overrides or readiness changed: the snapshot is out of date. */
  readonly onChange: () => void;
}

export type Capacities = GeodnsConfig["regions"];

/** One service: checks the addresses of its regions and knows which of them may be answered. The pool's picker is not
 * used: answers hold several addresses, in an order of their own. */
export class SteeredService implements AdminPool {
  readonly name: string;
  /** The first health round has ended, or took too long. */
  readonly ready: Promise<void>;
  readonly #host: Host;
  readonly #pool: Pool;
  readonly #options: SteeredServiceOptions;
  #config: GeoServiceConfig;
  #capacities: Capacities;
  #balance: OrderName;
  /** Addresses whose state may change any moment. */
  #changing: ReadonlySet<string> = new Set();
  #isReady = false;
  #endStart: () => void = () => {};
  #regionHealth: ReadonlyMap<string, boolean> = new Map();

  constructor(options: SteeredServiceOptions) {
    const { name, config, host, localAddress } = options;
    this.name = name;
    this.#host = host;
    this.#config = config;
    this.#options = options;
    this.#capacities = options.capacities;
    this.#balance = config.balance;
    const { clock, random, events, metrics, log } = host;
    this.#pool = new Pool({ name, config: poolConfigOf(config), clock, random, events, metrics, log, localAddress });
    this.#applyOverrides();
    this.#pool.onChange(() => this.#changed());
    this.#pool.onCheck(() => this.#noteChanging());
    this.ready = new Promise((resolve) => {
      this.#endStart = resolve;
    });
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  start(): void {
    this.#pool.start();
    const limit = this.#host.clock.after(firstRoundMsMax, () => this.#becomeReady());
    void this.#pool.firstRound.then(() => {
      limit.cancel();
      this.#becomeReady();
    });
  }

  /** @param successor has taken over the name: addresses that it has too are not reported as removed */
  stop(successor?: SteeredService): void {
    this.#pool.stop(successor && successor.#pool);
  }

  /** Whether a reload may take this config in place: every region has an address that is up, or none whose health would
   * have to be awaited. Otherwise the region would read as down until its first check. */
  canTake(config: GeoServiceConfig): boolean {
    const known = new Map(this.#pool.endpoints.map((endpoint) => [endpoint.id, endpoint]));
    const { endpoints } = poolConfigOf(config);
    return Object.keys(config.regions).every((region) => {
      const members = endpoints.filter(({ zone }) => zone === region).map(({ address }) => known.get(address));
      return members.some((member) => member?.eligible) || !members.includes(undefined);
    });
  }

  /** Takes over the order that an operator has set at the former service of this name, as far as the config has not changed
   * it, and which of its regions were down, so that this is not told again. */
  inherit(former: SteeredService | undefined): void {
    if (!former) return;
    if (!this.#isReady) this.#regionHealth = former.#regionHealth;
    if (former.#config.balance === this.#config.balance) this.#balance = former.#balance;
    this.#changed();
  }

  /** A reload that `canTake` allows. Addresses that stay keep their health. */
  update(config: GeoServiceConfig, capacities: Capacities): void {
    if (config.balance !== this.#config.balance) this.#balance = config.balance;
    this.#config = config;
    this.#capacities = capacities;
    this.#pool.update(poolConfigOf(config));
    this.overridesChanged();
  }

  /** Operators have set something, of this service or another. */
  overridesChanged(): void {
    this.#applyOverrides();
    this.#changed();
  }

  view(): ServiceView {
    const { ttl, ttlMin = defaultTtlMin(ttl), answers, answerRegions } = this.#config;
    const regions = new Map(Object.keys(this.#config.regions).map((region) => [region, this.#regionView(region)]));
    const [ready, balance] = [this.#isReady, this.#balance];
    return { name: this.name, ttl, ttlMin, answers, answerRegions, ready, regions, balance };
  }

  status(): PoolStatus {
    return { ...this.#pool.status(), balance: this.#balance };
  }

  /** @param address as the pool shows it, or without its port
   * @throws {UsageError} if it cannot be kept over a restart, as the config asks; then nothing has changed */
  setEndpointState(address: string, state: AdminState): boolean {
    const endpoint = this.#pool.endpoints.find(({ id, host }) => id === address || host === address);
    if (!endpoint) return false;
    this.#options.override({ service: this.name, address: endpoint.host }, overrideOf[state]);
    this.#pool.setEndpointState(endpoint.id, state);
    return true;
  }

  setEndpointWeight(address: string, weight: number): boolean {
    const isThere = this.#pool.setEndpointWeight(address, weight);
    if (isThere) this.#changed();
    return isThere;
  }

  setBalance(balance: BalanceName): void {
    const order = orderNames.find((name) => name === balance);
    if (!order) throw new UsageError(`a DNS answer can be ordered by ${orderNames.join(", ")}, not by ${balance}`);
    this.#balance = order;
    this.#changed();
  }

  #becomeReady(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#changed();
    this.#host.events.emit("steering_ready", { service: this.name });
    this.#endStart();
  }

  #changed(): void {
    if (this.#isReady) this.#tellRegions();
    this.#options.onChange();
  }

  /** The pool knows what is set for addresses; what is set for regions is laid over it by the view. */
  #applyOverrides(): void {
    const overrides = this.#options.overrides();
    for (const { id, host, admin } of this.#pool.endpoints) {
      const state = adminOf(addressOverride(overrides, this.name, host));
      if (state !== admin) this.#pool.setEndpointState(id, state);
    }
  }

  /** A check has said something: the TTL falls while it is not clear whether it will stay at that. */
  #noteChanging(): void {
    const nowMs = this.#host.clock.nowMs();
    const changing = this.#pool.endpoints.filter(
      ({ admin, health }) => admin === "enabled" && isChanging(health, nowMs, this.#config.ttl * 1_000),
    );
    const now = new Set(changing.map(({ host }) => host));
    if (now.symmetricDifference(this.#changing).size === 0) return;
    this.#changing = now;
    this.#changed();
  }

  #regionView(name: string): RegionView {
    const override = regionOverride(this.#options.overrides(), this.name, name);
    const endpoints = this.#pool.endpoints.filter(({ zone }) => zone === name);
    const addresses = underRegion(
      override,
      endpoints.map((endpoint) => this.#addressView(endpoint)),
    );
    const healthy = addresses.some(({ up }) => up);
    const reason = override === "up" ? "FORCED_UP" : "OK";
    return {
      name,
      healthy,
      reason: healthy ? reason : commonReason(addresses),
      override,
      // What the checks say of a region does not matter while an operator has the word.
      changing: override === null && endpoints.some(({ host }) => this.#changing.has(host)),
      capacity: this.#capacities[name]?.capacity ?? 1,
      addresses,
    };
  }

  #addressView({ host, weight, eligible, standing }: Endpoint): AddressView {
    return {
      address: host,
      weight,
      type: host.includes(":") ? types.AAAA : types.A,
      data: encodeAddress(host),
      up: eligible,
      state: standing.state,
      reason: standing.reason,
      override: addressOverride(this.#options.overrides(), this.name, host),
    };
  }

  /** Tells regions that went down or came back, once each. */
  #tellRegions(): void {
    const { events, log, metrics } = this.#host;
    const regions = [...this.view().regions.values()];
    for (const { name, healthy, override } of regions) {
      metrics.set("watershed_dns_region_healthy", { geo: this.name, region: name }, healthy ? 1 : 0);
      for (const state of overrideStates)
        metrics.set(
          "watershed_dns_region_override",
          { geo: this.name, region: name, state },
          state === override ? 1 : 0,
        );
    }
    const before = this.#regionHealth;
    this.#regionHealth = new Map(regions.map(({ name, healthy }) => [name, healthy]));
    const steering: Reason = regions.some(({ healthy }) => healthy) ? "REGION_FAILOVER" : "FAIL_OPEN";
    for (const { name, healthy, reason } of regions) {
      if (healthy === (before.get(name) ?? true)) continue; // at the start only those that are down are news
      const type = healthy ? "region_up" : "region_down";
      const told = { service: this.name, region: name, reason, ...(healthy ? {} : { steering }) };
      events.emit(type, told);
      if (healthy) log.info(told, type);
      else log.warn(told, type);
    }
  }
}

function commonReason(addresses: readonly AddressView[]): Reason {
  const reasons = new Set(addresses.map(({ reason }) => reason));
  const [only] = reasons;
  return reasons.size === 1 && only ? only : "UNHEALTHY";
}

/** Every address of every region as an endpoint of one pool, its region as the zone. */
function poolConfigOf({ regions, health, balance }: GeoServiceConfig): PoolConfig {
  const endpoints = Object.entries(regions).flatMap(([region, { addresses, weights }]) =>
    addresses.map((text, i) => {
      const bytes = parseAddress(text);
      assert(bytes, `${text} was validated with the config`);
      const host = formatAddress(bytes);
      const address = formatSocketAddress(host, health?.port ?? 0); // without checks nothing is ever dialled
      return { address, name: `${region} ${host}`, weight: weights?.[i] ?? 1, zone: region, backup: false };
    }),
  );
  return {
    balance,
    endpoints,
    health,
    essential: false,
    panicThreshold: 0, // failing open is decided over all regions, not over the pool
    spillOverBelow: 0,
    retries: { attempts: 1, budgetPercent: 0, perTryTimeoutMs: 0 },
    connectionMaxAgeMs: 0,
    slowStartMs: 0,
  };
}
