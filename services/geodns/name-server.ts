import type { Hono } from "hono";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Timer } from "#shared/core/clock.ts";
import { messageOf } from "#shared/core/error.ts";
import type { AdminPool } from "#shared/endpoint/status.ts";
import type { Host, Service } from "#shared/server/service.ts";
import { Answerer } from "./answer.ts";
import type { Client, Transport } from "./answer.ts";
import { compileZones } from "./compiled/zones.ts";
import { Counters } from "./counters.ts";
import { Presigner } from "./dnssec/presigner.ts";
import { Signing, signerStatus, withKeys } from "./dnssec/signing.ts";
import { Entrances } from "./entrances.ts";
import { explain, explainPlace } from "./explain.ts";
import { Guard } from "./guard.ts";
import { Latency } from "./latency.ts";
import { addRegionRoutes } from "./overrides/admin.ts";
import { OverrideStore } from "./overrides/store.ts";
import { buildParts, namesOfFresh } from "./parts.ts";
import type { Parts } from "./parts.ts";
import { QueryLog, addQueryLogRoute } from "./query-log.ts";
import { recordDecision } from "./recorded.ts";
import { verdicts } from "./rrl.ts";
import { buildIdentity, buildSnapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";
import { describeService } from "./status.ts";
import { SteeredService } from "./steered-service.ts";
import type { SteeredServiceOptions } from "./steered-service.ts";

const signaturesCheckedEveryMs = 60_000; // hours before any of them ends, and often enough for the times of keys
const truncatedFlag = 0x02; // of the third byte of a header

/** A running name server. */
export class NameServer implements Service<GeodnsConfig> {
  readonly #host: Host;
  readonly #guard: Guard;
  readonly #entrances: Entrances;
  readonly #answerer: Answerer;
  readonly #signing: Signing;
  readonly #presigner: Presigner;
  #signingTimer: Timer | undefined;
  readonly #counters = new Counters();
  readonly #latency: Latency;
  readonly #queryLog: QueryLog;
  #snapshotAtMs = 0;
  #overrides: OverrideStore;
  #parts: Parts;

  /** @throws {UsageError} for what the operator must mend; then nothing is left open */
  static async start(config: GeodnsConfig, host: Host): Promise<NameServer> {
    const signing = new Signing(host, config);
    const server = new NameServer(await buildParts(config, host, signing, { overrides: true }), host, signing);
    try {
      await server.#entrances.open();
    } catch (error) {
      await server.close();
      throw error;
    }
    server.#overrides.watch();
    for (const service of server.#parts.services.values()) service.start();
    return server;
  }

  /** @throws {UsageError} if a file of secrets cannot be used */
  private constructor(parts: Omit<Parts, "services">, host: Host, signing: Signing) {
    const { config } = parts;
    this.#host = host;
    this.#signing = signing;
    this.#queryLog = new QueryLog(config.queryLog, host);
    this.#guard = new Guard(config, host);
    this.#latency = new Latency(host);
    this.#entrances = new Entrances(config, {
      host,
      answer: (message, client, transport, out) => this.#answer(message, client, transport, out),
      onDropped: () => this.#counters.countDropped("udp"),
    });
    this.#overrides = this.#openOverrides(config);
    this.#parts = { ...parts, services: this.#createServices(config, Object.keys(config.services)) };
    this.#answerer = new Answerer(this.#takeSnapshot(), this.#guard);
    this.#presigner = new Presigner(this.#answerer.signed, host.log);
    this.#noteSnapshot();
    this.#watchSignatures();
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

  files(): readonly string[] {
    return this.#parts.files;
  }

  pools(): Iterable<AdminPool> {
    return this.#parts.services.values();
  }

  status(): Record<string, unknown> {
    const { geo, zones, services, signers } = this.#parts;
    return {
      ...this.#entrances.status(),
      snapshotAt: new Date(this.#snapshotAtMs).toISOString(),
      geo: { ...geo.geo.status(), networks: geo.networks, treeNodes: geo.tree.nodes, regionLists: geo.lists.length },
      overrides: this.#overrides.status(),
      queryLog: { sample: this.#queryLog.share },
      services: [...services.values()].map((service) => describeService(service.view())),
      dnssec: [...signers.values()].map(signerStatus),
      dnsZones: Object.fromEntries([...zones.zones.values()].map(({ name, recordCount }) => [name, recordCount])),
    };
  }

  explain(query: URLSearchParams): Record<string, unknown> {
    // Anew, for the reasons: a snapshot is taken when somebody goes up or down, not when a check fails in another way.
    return explain(query, this.#takeSnapshot(this.#answerer.snapshot));
  }

  /** Opens and checks everything new first; then swaps; then lets go of the old. */
  async reload(config: GeodnsConfig): Promise<void> {
    const before = this.#parts;
    const keepsOverrides = this.#overrides.isOf(config);
    const parts = await buildParts(config, this.#host, this.#signing, { overrides: !keepsOverrides });
    const overrides = keepsOverrides ? this.#overrides : this.#openOverrides(config);
    const guard = this.#guard.prepare(config);
    const entrances = await this.#entrances.prepare(config);
    const fresh = this.#createServices(config, namesOfFresh(config, before));
    for (const service of fresh.values()) service.start();
    const inherit = () => fresh.forEach((service, name) => service.inherit(before.services.get(name)));
    inherit();
    await Promise.all([...fresh.values()].map(({ ready }) => ready));
    inherit(); // What operators have changed in the meantime.
    this.#swapOverrides(overrides, config);
    this.#swap(parts, fresh);
    this.#guard.use(guard);
    this.#entrances.use(entrances);
    for (const [name, service] of before.services) {
      const successor = this.#parts.services.get(name);
      if (successor !== service) service.stop(successor);
    }
  }

  extendAdmin(app: Hono): void {
    addRegionRoutes(
      app,
      () => this.#overrides,
      () => this.#parts.config,
    );
    app.get("/geo", (c) => c.json(explainPlace(c.req.query("address") ?? "", this.#answerer.snapshot)));
    addQueryLogRoute(app, this.#queryLog);
  }

  drain(): void {
    // A name server that drains answers on: resolvers turn to its twin only when it is gone, without losing a query.
  }

  async finish(): Promise<void> {
    await this.#entrances.finish();
  }

  async close(): Promise<void> {
    this.#signingTimer?.cancel();
    this.#presigner.stop();
    this.#overrides.close();
    this.#queryLog.stop();
    for (const service of this.#parts.services.values()) service.stop();
    this.#guard.close();
    await this.#entrances.close();
  }

  /** Answers one message, counts it, and records the decision for those who ask for it. */
  #answer(message: Buffer, client: Client, transport: Transport, out: Uint8Array): number {
    const answerer = this.#answerer;
    this.#latency.start();
    answerer.drawnId = this.#host.decisions.draw(this.#host.clock);
    try {
      let length = answerer.answer(message, client, transport, out);
      if (this.#guard.isLimiting && length > 0 && transport === "udp" && !answerer.reception.isProven) {
        const verdict = this.#guard.limit(out, client.address);
        if (verdict === verdicts.slip) length = answerer.answerCut(out);
        else if (verdict === verdicts.drop) length = 0;
      }
      if (length === 0) this.#counters.countDropped(transport);
      else this.#counters.countAnswer(transport, answerer.query, answerer.rcode, ((out[2] ?? 0) & truncatedFlag) !== 0);
      if (length > 0 && this.#queryLog.wants()) this.#queryLog.write(answerer, client, transport);
      if (answerer.decision) recordDecision(this.#host, answerer, client, transport, out);
      return length;
    } catch (error) {
      // Our own mistake, not the client's: it must cost this one query, not the server.
      this.#host.log.error({ error: messageOf(error), message: message.toString("hex") }, "answer_failed");
      this.#counters.countDropped(transport);
      return 0;
    } finally {
      this.#latency.end(transport);
    }
  }

  /** Counters of the hot path, told when somebody reads them or the snapshot that holds them goes. */
  #tellCounts(): void {
    const { metrics } = this.#host;
    this.#counters.tell(metrics);
    this.#guard.tell(metrics);
    this.#signing.tell(metrics);
    for (const [geo, { choices }] of this.#answerer.snapshot.services)
      for (const choice of choices) {
        const { reason, chosen, answered } = choice;
        if (answered === 0) continue;
        choice.answered = 0;
        const region = reason === "FAIL_OPEN" ? "all" : (chosen[0]?.name ?? "");
        metrics.count("watershed_dns_steered_total", { geo, region, reason }, answered);
      }
  }

  /** @throws {UsageError} with line and column, if the file of overrides is broken */
  #openOverrides(config: GeodnsConfig): OverrideStore {
    return new OverrideStore(config, this.#host, () => {
      for (const service of this.#parts.services.values()) service.overridesChanged();
    });
  }

  #swapOverrides(overrides: OverrideStore, config: GeodnsConfig): void {
    if (overrides === this.#overrides) return overrides.setNames(config);
    this.#overrides.close();
    this.#overrides = overrides;
    overrides.watch();
  }

  #createServices(config: GeodnsConfig, names: readonly string[]): Map<string, SteeredService> {
    const services = new Map<string, SteeredService>();
    for (const name of names) {
      const service = config.services[name];
      if (!service) continue;
      const options: SteeredServiceOptions = {
        name,
        config: service,
        capacities: config.regions,
        host: this.#host,
        localAddress: config.localAddress,
        overrides: () => this.#overrides.current,
        override: (target, state) => this.#overrides.set(target, state),
        onChange: () => this.#renewSnapshot(),
      };
      services.set(name, new SteeredService(options));
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
      if (fresh.has(name)) service.overridesChanged();
      else service.update(serviceConfig, config.regions);
    }
    this.#parts = { ...parts, services };
    this.#signing.setLimits(config);
    this.#renewSnapshot();
    this.#queryLog.setConfig(config.queryLog);
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
      this.#answerer.signed.forget();
      this.#presigner.start(this.#answerer.snapshot);
      this.#watchSignatures();
    });
  }

  #renewSnapshot(): void {
    this.#tellCounts();
    this.#answerer.snapshot = this.#takeSnapshot(this.#answerer.snapshot);
    this.#noteSnapshot();
  }

  #noteSnapshot(): void {
    this.#presigner.start(this.#answerer.snapshot);
    this.#snapshotAtMs = Date.now();
    const { metrics } = this.#host;
    metrics.set("watershed_dns_snapshot_timestamp_seconds", {}, this.#snapshotAtMs / 1_000);
    const { asnDatabase, ...database } = this.#parts.geo.geo.status();
    for (const { name, builtAt } of [database, ...(asnDatabase ? [asnDatabase] : [])])
      metrics.set("watershed_geo_database_timestamp_seconds", { database: name }, Date.parse(builtAt) / 1_000);
  }

  /** @param former its answers are taken over where nothing has changed */
  #takeSnapshot(former?: Snapshot): Snapshot {
    const { config, geo, zones, services, signers } = this.#parts;
    return buildSnapshot({
      rules: config,
      geo,
      zones,
      services: [...services.values()].map((service) => service.view()),
      signers,
      identity: buildIdentity(config.identity),
      random: this.#host.random,
      former,
    });
  }
}
