import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import { assert } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import type { KernelServer, KernelService, KernelTable, ServiceSource, SlotPlan } from "./plan/model.ts";
import { dealSlots } from "./plan/slots.ts";

/** A listener that the kernel carries. The process holds its port behind the table. */
export interface KernelListener {
  /** The real "address:port". */
  readonly address: string;
  readonly config: L4ListenerConfig;
  readonly pool: Pool;
  /** How many connections the kernel carries for it. */
  setCounted(count: number): void;
}

const serversMax = 65_535; // what the low half of a mark can tell apart

/** Gives servers their marks, and makes tables from listeners as their pools stand. */
export class TableBuilder {
  readonly name: string;
  readonly #comment: string;
  readonly #tag: number;
  /** By listener and server: kept over reloads, so that a mark means the same for as long as its connections live. */
  readonly #ids = new Map<string, number>();
  #lastId = 0;

  /** @param identity what tells this forwarder from others on this host, and stays the same over restarts */
  constructor(identity: string, node: string) {
    const hash = hash32(identity);
    this.name = `watershed_${hash.toString(16).padStart(8, "0")}`;
    this.#comment = `L4 forwarder ${node}`;
    this.#tag = hash & 0xffff || 1;
  }

  /** The mark that all connections of this table have in their high half, for conntrack. */
  get markFilter(): string {
    return `0x${((this.#tag << 16) >>> 0).toString(16)}/0xffff0000`;
  }

  build(listeners: readonly KernelListener[], config: L4ForwarderConfig, canSetTimeouts: boolean): KernelTable {
    this.#forgetIds(listeners);
    const { idleMs, halfClosedMs, udpIdleMs } = config.timeouts;
    const seconds = (ms: number) => Math.max(1, Math.round(ms / 1_000));
    return {
      name: this.name,
      comment: this.#comment,
      tag: this.#tag,
      services: listeners.map((listener, i) => this.#service(listener, i, config.localAddress)),
      limits: config.limits,
      timeouts: canSetTimeouts
        ? { idle: seconds(idleMs), halfClosed: seconds(halfClosedMs), udpIdle: seconds(udpIdleMs) }
        : undefined,
    };
  }

  #service(listener: KernelListener, i: number, localAddress: string | undefined): KernelService {
    const { address, config, pool } = listener;
    const at = parseSocketAddress(address);
    assert(at, `${address} is bound`);
    const servers = pool.endpoints.map((endpoint): KernelServer => ({
      id: this.#idOf(address, endpoint),
      address: endpoint.id,
      host: endpoint.host,
      port: endpoint.port,
      comment: endpoint.name === endpoint.id ? endpoint.id : `${endpoint.name} ${endpoint.id}`,
    }));
    return {
      name: `${pool.name.replaceAll(/\W/g, "_").replace(/^(?=\d)/, "p")}_${i + 1}`,
      comment: `pool ${pool.name}, ${pool.balance}, ${config.protocol} ${address}`,
      ...at,
      protocol: config.protocol,
      servers,
      connectionsMax: config.connectionsPerServer,
      source: sourceOf(config, at.host, servers, localAddress),
      plan: planOf(listener, servers),
    };
  }

  #idOf(listener: string, endpoint: Endpoint): number {
    const key = keyOf(listener, endpoint);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const taken = new Set(this.#ids.values());
    assert(taken.size < serversMax, `at most ${serversMax} servers of kernel listeners`);
    do this.#lastId = (this.#lastId % serversMax) + 1;
    while (taken.has(this.#lastId));
    this.#ids.set(key, this.#lastId);
    return this.#lastId;
  }

  #forgetIds(listeners: readonly KernelListener[]): void {
    const wanted = new Set(listeners.flatMap(({ address, pool }) => pool.endpoints.map((one) => keyOf(address, one))));
    for (const key of this.#ids.keys()) if (!wanted.has(key)) this.#ids.delete(key);
  }
}

const keyOf = (listener: string, endpoint: Endpoint) => `${listener} ${endpoint.id}`;

/** Who gets the new connections of a listener, as its pool stands now. Nobody while nobody is eligible, whatever panic says:
 * the tier above has somewhere else to go. Who is full is left out until it has room again. */
export function planOf({ config, pool }: KernelListener, servers: readonly KernelServer[]): SlotPlan {
  if (pool.eligibleCount === 0) return { by: "inc", slots: [] };
  const max = config.connectionsPerServer ?? Number.POSITIVE_INFINITY;
  const places = new Map(servers.map(({ address }, place) => [address, place]));
  const nowMs = pool.clock.nowMs();
  const open = pool.serving().filter(({ id, active }) => active < max && places.has(id));
  const candidates = open.map((endpoint) => ({
    id: endpoint.id,
    weight: endpoint.weight,
    active: endpoint.active,
    latencyMs: endpoint.latencyMs(nowMs),
  }));
  const { by, slots } = dealSlots(pool.balance, candidates);
  const placeOf = open.map(({ id }) => places.get(id) ?? 0);
  return { by, slots: slots.map((index) => placeOf[index] ?? 0) };
}

function sourceOf(
  { clientAddress }: L4ListenerConfig,
  host: string,
  servers: readonly KernelServer[],
  localAddress: string | undefined,
): ServiceSource {
  if (clientAddress === "keep") return { kind: "keep" };
  const isSameFamily = localAddress !== undefined && localAddress.includes(":") === host.includes(":");
  if (isSameFamily) return { kind: "address", host: localAddress };
  // The kernel finds no source for loopback: there it has to be told.
  const onLoopback = [host, ...servers.map((server) => server.host)].some((one) => /^127\.|^::1$/.test(one));
  return onLoopback ? { kind: "address", host } : { kind: "masquerade" };
}
