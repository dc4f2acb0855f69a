import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import type { Timer } from "#shared/core/clock.ts";
import { messageOf } from "#shared/core/error.ts";
import type { AdminPool } from "#shared/endpoint/status.ts";
import type { Host, Service } from "#shared/server/service.ts";
import { Answerer } from "./answer.ts";
import type { Client, Transport } from "./answer.ts";
import { compileZones } from "./compiled/zones.ts";
import type { CompiledZones } from "./compiled/zones.ts";
import { Counters } from "./counters.ts";
import type { Decision } from "./decide.ts";
import { Signing, signerStatus, withKeys } from "./dnssec/signing.ts";
import type { Signers } from "./dnssec/signing.ts";
import { describe, explain } from "./explain.ts";
import { geoPartsOf } from "./geo-tree/source.ts";
import type { GeoParts } from "./geo-tree/source.ts";
import { TcpConnections } from "./listener-tcp.ts";
import { listenAll } from "./listeners.ts";
import type { Listener, ListenerOptions } from "./listeners.ts";
import { buildIdentity, buildSnapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";
import { SteeredService } from "./steered-service.ts";
import type { Name } from "./wire/name.ts";
import { buildZone } from "./zone/zone.ts";
import type { Zone } from "./zone/zone.ts";

const truncatedFlag = 0x02; // of the third byte of a header

const signaturesCheckedEveryMs = 60_000; // hours before any of them ends, and often enough for the times of keys

/** What a config becomes; replaced whole by a reload. */
interface Parts {
  readonly config: GeodnsConfig;
  readonly geo: GeoParts;
  readonly zones: CompiledZones;
  readonly signers: Signers;
  readonly services: ReadonlyMap<string, SteeredService>;
}

/** A running name server. */
export class NameServer implements Service<GeodnsConfig> {
  readonly #host: Host;
  readonly #connections: TcpConnections;
  readonly #listening: ListenerOptions;
  /** By the address in the config. */
  #listeners = new Map<string, Listener>();
  readonly #answerer: Answerer;
  readonly #signing: Signing;
  #signingTimer: Timer | undefined;
  readonly #counters = new Counters();
  #parts: Parts;

  /** @throws {UsageError} for what the operator must mend; then nothing is left open */
  static async start(config: GeodnsConfig, host: Host): Promise<NameServer> {
    const signing = new Signing(host, config);
    const server = new NameServer(host, await buildParts(config, signing), signing);
    try {
      server.#listeners = await listenAll(config.listen, server.#listening);
    } catch (error) {
      await server.close();
      throw error;
    }
    for (const service of server.#parts.services.values()) service.start();
    return server;
  }

  private constructor(host: Host, parts: Omit<Parts, "services">, signing: Signing) {
    const { config } = parts;
    this.#host = host;
    this.#signing = signing;
    const answerOne = (message: Buffer, client: Client, transport: Transport, out: Uint8Array) =>
      this.#answer(message, client, transport, out);
    this.#connections = new TcpConnections({
      limits: config.tcp,
      clock: host.clock,
      answer: (message, client, out) => answerOne(message, client, "tcp", out),
    });
    const onSendFailed = () => this.#counters.countDropped("udp");
    this.#listening = { connections: this.#connections, answer: answerOne, onSendFailed };
    this.#parts = { ...parts, services: this.#createServices(config, Object.keys(config.services)) };
    this.#answerer = new Answerer(this.#takeSnapshot());
    this.#watchSignatures();
    host.metrics.beforeRender(() => this.#tellCounts());
  }

  /** The real "address:port" of every listener, in the order of the config. */
  get addresses(): readonly string[] {
    return [...this.#listeners.values()].map(({ address }) => address);
  }

  notReady(): string | undefined {
    const waiting = [...this.#parts.services.values()].filter((service) => !service.isReady).map(({ name }) => name);
    return waiting.length > 0 ? `first health round of ${waiting.join(", ")}` : undefined;
  }

  pools(): Iterable<AdminPool> {
    return this.#parts.services.values();
  }

  status(): Record<string, unknown> {
    const { geo, zones, services, signers } = this.#parts;
    const views = [...services.values()].map((service) => service.view());
    return {
      listeners: this.addresses,
      tcpConnections: this.#connections.count,
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
      dnssec: [...signers.values()].map(signerStatus),
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
    const parts = await buildParts(config, this.#signing);
    const added = await listenAll(
      config.listen.filter((address) => !this.#listeners.has(address)),
      this.#listening,
    );
    const fresh = this.#createServices(config, namesOfFresh(config, before));
    for (const service of fresh.values()) service.start();
    const inherit = () => fresh.forEach((service, name) => service.inherit(before.services.get(name)));
    inherit();
    await Promise.all([...fresh.values()].map(({ ready }) => ready));
    inherit(); // What operators have changed in the meantime.
    this.#swap(parts, fresh, added);
    for (const [name, service] of before.services) {
      const successor = this.#parts.services.get(name);
      if (successor !== service) service.stop(successor);
    }
  }

  drain(): void {
    // A name server that drains answers on: resolvers turn to its twin only when it is gone, without losing a query.
  }

  async finish(): Promise<void> {
    await this.#closeListeners([...this.#listeners.values()]);
    await this.#connections.finish();
  }

  async close(): Promise<void> {
    this.#signingTimer?.cancel();
    for (const service of this.#parts.services.values()) service.stop();
    this.#connections.close();
    await this.#closeListeners([...this.#listeners.values()]);
  }

  /** Answers one message, counts it, and records the decision for those who ask for it. */
  #answer(message: Buffer, client: Client, transport: Transport, out: Uint8Array): number {
    const answerer = this.#answerer;
    try {
      const length = answerer.answer(message, client, transport, out);
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
  #swap(parts: Omit<Parts, "services">, fresh: Map<string, SteeredService>, added: Map<string, Listener>): void {
    const { config } = parts;
    const services = new Map<string, SteeredService>();
    for (const [name, serviceConfig] of Object.entries(config.services)) {
      const service = fresh.get(name) ?? this.#parts.services.get(name);
      if (!service) continue;
      services.set(name, service);
      if (!fresh.has(name)) service.update(serviceConfig);
    }
    this.#parts = { ...parts, services };
    this.#signing.setLimits(config);
    this.#renewSnapshot();
    this.#connections.setLimits(config.tcp);
    const former = this.#listeners;
    this.#listeners = new Map();
    for (const address of config.listen) {
      const listener = added.get(address) ?? former.get(address);
      if (listener) this.#listeners.set(address, listener);
      former.delete(address);
    }
    void this.#closeListeners([...former.values()]);
  }

  /** Keys come and go by the times in their files, and signatures are made anew before they end. */
  #watchSignatures(): void {
    this.#signingTimer = this.#host.clock.after(signaturesCheckedEveryMs, () => {
      const { zones, signers } = this.#parts;
      const changed = [...signers.values()].filter((signer) => signer.refresh());
      if (changed.length > 0) {
        this.#parts = { ...this.#parts, zones: compileZones(withKeys(zones.zones, signers), signers) };
        this.#renewSnapshot();
      }
      for (const signer of changed) this.#host.log.info(signerStatus(signer), "dnssec_keys_changed");
      this.#answerer.renewSigned();
      this.#watchSignatures();
    });
  }

  async #closeListeners(listeners: readonly Listener[]): Promise<void> {
    await Promise.all(listeners.map((listener) => listener.close()));
  }

  #renewSnapshot(): void {
    this.#tellCounts();
    this.#answerer.snapshot = this.#takeSnapshot(this.#answerer.snapshot);
  }

  /** @param former its answers are taken over where nothing has changed */
  #takeSnapshot(former?: Snapshot): Snapshot {
    const { config, geo, zones, services, signers } = this.#parts;
    const { random } = this.#host;
    return buildSnapshot({
      rules: config,
      geo,
      zones,
      services: [...services.values()].map((service) => service.view()),
      signers,
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

/** @throws {UsageError} for what the operator must mend; then nothing has changed */
async function buildParts(config: GeodnsConfig, signing: Signing): Promise<Omit<Parts, "services">> {
  const list = Object.entries(config.dnsZones).map(([name, zoneConfig]) => buildZone(name, zoneConfig));
  const byApex = new Map<Name, Zone>(list.map((zone) => [zone.apex, zone]));
  const signers = signing.load(config, byApex);
  const geo = await geoPartsOf({ geo: config.geo, rules: config });
  const zones = withKeys(byApex, signers);
  await signing.signAll(zones, signers);
  return { config, geo, zones: compileZones(zones, signers), signers };
}
