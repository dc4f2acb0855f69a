import type { BalanceName, PoolConfig } from "#shared/config/schema/common.ts";
import type { GeoServiceConfig } from "#shared/config/schema/geodns.ts";
import { formatAddress, formatSocketAddress, parseAddress } from "#shared/core/cidr.ts";
import { UsageError, assert } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import { Pool } from "#shared/endpoint/pool.ts";
import type { AdminPool, AdminState, PoolStatus } from "#shared/endpoint/status.ts";
import type { Host } from "#shared/server/service.ts";
import type { AddressView, RegionView, ServiceView } from "./snapshot.ts";
import { orderNames } from "./steer/order.ts";
import { types } from "./wire/codes.ts";
import { encodeAddress } from "./wire/encode.ts";

const firstRoundMsMax = 5_000; // a check that hangs must not keep the name server silent for longer
type OrderName = (typeof orderNames)[number];

export interface SteeredServiceOptions {
  readonly name: string;
  readonly config: GeoServiceConfig;
  readonly host: Host;
  readonly localAddress: string | undefined;
  /** Health, admin state or readiness changed: the snapshot is out of date. */
  readonly onChange: () => void;
}

/** One service: checks the addresses of its regions and knows which of them may be answered. The pool's picker is not
 * used: answers hold several addresses, in an order of their own. */
export class SteeredService implements AdminPool {
  readonly name: string;
  /** The first health round has ended, or took too long. */
  readonly ready: Promise<void>;
  readonly #host: Host;
  readonly #pool: Pool;
  readonly #onChange: () => void;
  #config: GeoServiceConfig;
  #balance: OrderName;
  #isReady = false;
  #endStart: () => void = () => {};
  #regionHealth: ReadonlyMap<string, boolean> = new Map();

  constructor({ name, config, host, localAddress, onChange }: SteeredServiceOptions) {
    this.name = name;
    this.#host = host;
    this.#config = config;
    this.#onChange = onChange;
    this.#balance = config.balance;
    const { clock, random, events, metrics, log } = host;
    this.#pool = new Pool({ name, config: poolConfigOf(config), clock, random, events, metrics, log, localAddress });
    this.#pool.onChange(() => this.#changed());
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

  /** Takes over what operators have set at the former service of this name, as far as the config has not changed it,
   * and which of its regions were down, so that this is not told again. */
  inherit(former: SteeredService | undefined): void {
    if (!former) return;
    if (!this.#isReady) this.#regionHealth = former.#regionHealth;
    if (former.#config.balance === this.#config.balance) this.#balance = former.#balance;
    const states = new Map(former.#pool.endpoints.map(({ host, admin }) => [host, admin]));
    for (const { id, host } of this.#pool.endpoints) this.#pool.setEndpointState(id, states.get(host) ?? "enabled");
    this.#changed();
  }

  /** A reload that `canTake` allows. Addresses that stay keep their health and admin state. */
  update(config: GeoServiceConfig): void {
    if (config.balance !== this.#config.balance) this.#balance = config.balance;
    this.#config = config;
    this.#pool.update(poolConfigOf(config));
  }

  view(): ServiceView {
    const { ttl, answers } = this.#config;
    const regions = new Map(Object.keys(this.#config.regions).map((region) => [region, this.#regionView(region)]));
    return { name: this.name, ttl, answers, ready: this.#isReady, regions, balance: this.#balance };
  }

  status(): PoolStatus {
    return { ...this.#pool.status(), balance: this.#balance };
  }

  /** @param address as the pool shows it, or without its port */
  setEndpointState(address: string, state: AdminState): boolean {
    const endpoint = this.#pool.endpoints.find(({ id, host }) => id === address || host === address);
    if (!endpoint || !this.#pool.setEndpointState(endpoint.id, state)) return false;
    this.#changed();
    return true;
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
    this.#onChange();
  }

  #regionView(name: string): RegionView {
    const addresses = this.#pool.endpoints.filter(({ zone }) => zone === name).map(addressView);
    const healthy = addresses.some(({ up }) => up);
    return { name, healthy, reason: healthy ? "OK" : commonReason(addresses), addresses };
  }

  /** Tells regions that went down or came back, once each. */
  #tellRegions(): void {
    const { events, log } = this.#host;
    const regions = [...this.view().regions.values()];
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

function addressView({ host, weight, eligible, standing }: Endpoint): AddressView {
  return {
    address: host,
    weight,
    type: host.includes(":") ? types.AAAA : types.A,
    data: encodeAddress(host),
    up: eligible,
    state: standing.state,
    reason: standing.reason,
  };
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
    retries: { attempts: 1, budgetPercent: 0, perTryTimeoutMs: 0 },
    connectionMaxAgeMs: 0,
    slowStartMs: 0,
  };
}
