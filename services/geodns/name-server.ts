import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { messageOf } from "#shared/core/error.ts";
import type { AdminPool } from "#shared/endpoint/status.ts";
import type { Host, Service } from "#shared/server/service.ts";
import { Answerer } from "./answer.ts";
import type { Client, Transport } from "./answer.ts";
import { compileZones } from "./compiled/zones.ts";
import type { CompiledZones } from "./compiled/zones.ts";
import { Counters } from "./counters.ts";
import type { Decision } from "./decide.ts";
import { Entrances } from "./entrances.ts";
import { describe, explain } from "./explain.ts";
import { geoPartsOf } from "./geo-tree/source.ts";
import type { GeoParts } from "./geo-tree/source.ts";
import { Guard } from "./guard.ts";
import { verdicts } from "./rrl.ts";
import { buildIdentity, buildSnapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";
import { SteeredService } from "./steered-service.ts";
import type { Name } from "./wire/name.ts";
import { buildZone } from "./zone/zone.ts";
import type { Zone } from "./zone/zone.ts";

const truncatedFlag = 0x02; // of the third byte of a header

/** What a config becomes; replaced whole by a reload. */
interface Parts {
  readonly config: GeodnsConfig;
  readonly geo: GeoParts;
  readonly zones: CompiledZones;
  readonly services: ReadonlyMap<string, SteeredService>;
}

/** A running name server. */
export class NameServer implements Service<GeodnsConfig> {
  readonly #host: Host;
  readonly #guard: Guard;
  readonly #entrances: Entrances;
  readonly #answerer: Answerer;
  readonly #counters = new Counters();
  #parts: Parts;

  /** @throws {UsageError} for what the operator must mend; then nothing is left open */
  static async start(config: GeodnsConfig, host: Host): Promise<NameServer> {
    const [zones, geo] = [buildZones(config), await geoPartsOf({ geo: config.geo, rules: config })];
    const server = new NameServer(config, host, geo, zones);
    try {
      await server.#entrances.open();
    } catch (error) {
      await server.close();
      throw error;
    }
    for (const service of server.#parts.services.values()) service.start();
    return server;
  }

  /** @throws {UsageError} if a file of secrets cannot be used */
  private constructor(config: GeodnsConfig, host: Host, geo: GeoParts, zones: Parts["zones"]) {
    this.#host = host;
    this.#guard = new Guard(config, host);
    this.#entrances = new Entrances(config, {
      host,
      answer: (message, client, transport, out) => this.#answer(message, client, transport, out),
      onSendFailed: () => this.#counters.countDropped("udp"),
    });
    this.#parts = { config, geo, zones, services: this.#createServices(config, Object.keys(config.services)) };
    this.#answerer = new Answerer(this.#takeSnapshot(), this.#guard);
    host.metrics.beforeRender(() => this.#tellCounts());
  }

  /** The real "address:port" of every listener for UDP and TCP, in the order of the config. */
  get addresses(): readonly string[] {
    return this.#entrances.addresses("dns");
  }

  /** Those of DNS over TLS and over HTTPS. */
  get encryptedAddresses(): { readonly tls: readonly string[]; readonly https: readonly string[] } {
    return { tls: this.#entrances.addresses("tls"), https: this.#entrances.addresses("https") };
  }

  notReady(): string | undefined {
    const waiting = [...this.#parts.services.values()].filter((service) => !service.isReady).map(({ name }) => name);
    return waiting.length > 0 ? `first health round of ${waiting.join(", ")}` : undefined;
  }

  pools(): Iterable<AdminPool> {
    return this.#parts.services.values();
  }

  status(): Record<string, unknown> {
    const { geo, zones, services } = this.#parts;
    const views = [...services.values()].map((service) => service.view());
    return {
      ...this.#entrances.status(),
      geo: { ...geo.geo.status(), networks: geo.networks, treeNodes: geo.tree.nodes, regionLists: geo.lists.length },
      services: views.map(({ name, ready, ttl, regions }) => ({
        name,
        ready,
        ttl,
        failOpen: [...regions.values()].every(({ healthy }) => !healthy),
        regions: [...regions.values()].map((region) => ({
          region: region.name,
          healthy: region.healthy,
          reason: region.reason,
          up: region.addresses.filter(({ up }) => up).length,
          addresses: region.addresses.length,
        })),
      })),
      dnsZones: Object.fromEntries([...zones.zones.values()].map(({ name, recordCount }) => [name, recordCount])),
    };
  }

  explain(query: URLSearchParams): Record<string, unknown> {
    // Anew, for the reasons: a snapshot is taken when somebody goes up or down, not when a check fails in another way.
    return explain(query, this.#takeSnapshot());
  }

  /** Opens and checks everything new first; then swaps; then lets go of the old. */
  async reload(config: GeodnsConfig): Promise<void> {
    const before = this.#parts;
    const [zones, geo] = [buildZones(config), await geoPartsOf({ geo: config.geo, rules: config })];
    const guard = this.#guard.prepare(config);
    const entrances = await this.#entrances.prepare(config);
    const fresh = this.#createServices(config, namesOfFresh(config, before));
    for (const service of fresh.values()) service.start();
    const inherit = () => fresh.forEach((service, name) => service.inherit(before.services.get(name)));
    inherit();
    await Promise.all([...fresh.values()].map(({ ready }) => ready));
    inherit(); // What operators have changed in the meantime.
    this.#swap({ config, geo, zones }, fresh);
    this.#guard.use(guard);
    this.#entrances.use(entrances);
    for (const [name, service] of before.services) {
      const successor = this.#parts.services.get(name);
      if (successor !== service) service.stop(successor);
    }
  }

  drain(): void {
    // A name server that drains answers on: resolvers turn to its twin only when it is gone, without losing a query.
  }

  async finish(): Promise<void> {
    await this.#entrances.finish();
  }

  async close(): Promise<void> {
    for (const service of this.#parts.services.values()) service.stop();
    this.#guard.close();
    await this.#entrances.close();
  }

  /** Answers one message, counts it, and records the decision for those who ask for it. */
  #answer(message: Buffer, client: Client, transport: Transport, out: Uint8Array): number {
    const answerer = this.#answerer;
    try {
      let length = answerer.answer(message, client, transport, out);
      if (this.#guard.isLimiting && length > 0 && transport === "udp" && !answerer.reception.isProven) {
        const verdict = this.#guard.limit(out, client.address);
        if (verdict === verdicts.slip) length = answerer.answerCut(out);
        else if (verdict === verdicts.drop) length = 0;
      }
      if (length === 0) this.#counters.countDropped(transport);
      else this.#counters.countAnswer(transport, answerer.query, answerer.rcode, ((out[2] ?? 0) & truncatedFlag) !== 0);
      if (answerer.decision) this.#record(answerer.decision, client, transport, out);
      return length;
    } catch (error) {
      // Our own mistake, not the client's: it must cost this one query, not the server.
      this.#host.log.error({ error: messageOf(error), message: message.toString("hex") }, "answer_failed");
      this.#counters.countDropped(transport);
      return 0;
    }
  }

  #record(decision: Decision, { address }: Client, transport: Transport, reply: Uint8Array): void {
    const { query } = this.#answerer;
    const traceId = query.isTraced ? query.traceId : undefined;
    if (traceId === undefined) return;
    const { name, type, subnet } = query;
    const ecs = subnet && `${formatAddress(subnet)}/${query.sourcePrefix}`;
    const sentMax = ((reply[6] ?? 0) << 8) | (reply[7] ?? 0); // fewer than decided, if the reply was cut
    this.#host.decisions.record(traceId, {
      ...describe({ name, type }, { client: address, subnet: subnet && { address: subnet } }, ecs, decision),
      server: this.#host.node,
      transport,
      at: new Date().toISOString(),
      sent: decision.answers.flatMap(({ set }) => set.texts).slice(0, sentMax),
    });
  }

  /** Counters of the hot path, told when somebody reads them or the snapshot that holds them goes. */
  #tellCounts(): void {
    const { metrics } = this.#host;
    this.#counters.tell(metrics);
    this.#guard.tell(metrics);
    for (const [geo, { choices }] of this.#answerer.snapshot.services)
      for (const choice of choices) {
        const { reason, chosen, answered } = choice;
        if (answered === 0) continue;
        choice.answered = 0;
        const region = reason === "FAIL_OPEN" ? "all" : (chosen[0]?.name ?? "");
        metrics.count("watershed_dns_steered_total", { geo, region, reason }, answered);
      }
  }

  #createServices(config: GeodnsConfig, names: readonly string[]): Map<string, SteeredService> {
    const services = new Map<string, SteeredService>();
    for (const name of names) {
      const service = config.services[name];
      if (!service) continue;
      const { localAddress } = config;
      const onChange = () => this.#renewSnapshot();
      services.set(name, new SteeredService({ name, config: service, host: this.#host, localAddress, onChange }));
    }
    return services;
  }

  /** From one query to the next everything is new. */
  #swap(parts: Omit<Parts, "services">, fresh: Map<string, SteeredService>): void {
    const { config } = parts;
    const services = new Map<string, SteeredService>();
    for (const [name, serviceConfig] of Object.entries(config.services)) {
      const service = fresh.get(name) ?? this.#parts.services.get(name);
      if (!service) continue;
      services.set(name, service);
      if (!fresh.has(name)) service.update(serviceConfig);
    }
    this.#parts = { ...parts, services };
    this.#renewSnapshot();
  }

  #renewSnapshot(): void {
    this.#tellCounts();
    this.#answerer.snapshot = this.#takeSnapshot(this.#answerer.snapshot);
  }

  /** @param former its answers are taken over where nothing has changed */
  #takeSnapshot(former?: Snapshot): Snapshot {
    const { config, geo, zones, services } = this.#parts;
    const { random } = this.#host;
    return buildSnapshot({
      rules: config,
      geo,
      zones,
      services: [...services.values()].map((service) => service.view()),
      identity: buildIdentity(config.identity),
      random,
      former,
    });
  }
}

/** Services whose first health round a reload awaits. */
function namesOfFresh(config: GeodnsConfig, before: Parts): string[] {
  const isSameSource = config.localAddress === before.config.localAddress;
  const fresh = Object.entries(config.services).filter(
    ([name, service]) => !isSameSource || !before.services.get(name)?.canTake(service),
  );
  return fresh.map(([name]) => name);
}

function buildZones(config: GeodnsConfig): CompiledZones {
  const zones = Object.entries(config.dnsZones).map(([name, zoneConfig]) => buildZone(name, zoneConfig));
  return compileZones(new Map<Name, Zone>(zones.map((zone) => [zone.apex, zone])));
}
