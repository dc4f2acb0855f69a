import { ConfigError, unmet } from "#shared/config/error.ts";
import { locateIn } from "#shared/config/origin.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import type { MetricsSnapshot } from "#shared/observe/metrics.ts";
import { trafficCuts } from "#shared/net/cuts.ts";
import manifest from "../../package.json" with { type: "json" };
import { adminApp, listenAdmin } from "./admin.ts";
import type { AdminListener, AdminNode } from "./admin.ts";
import { joinStatus } from "./join-status.ts";
import type { Host, NodeConfig, Service, ServiceDefinition } from "./service.ts";
import { adminToken } from "./token.ts";
import type { Workers } from "./workers.ts";

const quickStopMs = 1_000; // SIGINT: time for what is under way

const timerMsMax = 2_147_483_647; // as long as a timer of Node can wait
const readNobody = () => Promise.resolve([]);

/** What only a restart can change. @throws {ConfigError} with all that did */
function refuseChanges(former: NodeConfig, config: NodeConfig): void {
  const locate = locateIn(config);
  const problems = (["admin", "node", "workers"] as const).flatMap((key) => {
    const [before, now] = [former, config].map((one) =>
      JSON.stringify(one[key] ?? (key === "workers" ? 1 : undefined)),
    );
    if (before === now) return [];
    const expected = `${before ?? "nothing"}, as it was`;
    return [unmet(locate([key]), { expected, got: now ?? "nothing", hint: "it changes only by a restart" })];
  });
  if (problems.length > 0) throw new ConfigError(problems);
}

type Phase = "starting" | "running" | "draining" | "stopping";

/** One running node: started, watched over by its admin API, reloaded, drained, ended. */
export class Lifecycle<Config extends NodeConfig> {
  readonly #definition: ServiceDefinition<Config>;
  readonly #host: Host;
  readonly #readConfig: () => Config;
  readonly #startedMs: number;
  readonly #workers: Workers<Config> | undefined;
  #service: Service<Config> | undefined;
  #config: Config | undefined;
  #admin: AdminListener | undefined;
  #phase: Phase = "starting";
  #revision = 0;
  /** Called whenever a config has come into force, or was refused; then with the files that may have to be mended. */
  onConfigured: (toMend: readonly string[]) => void = () => {};
  #lastReload: { at: string; ok: boolean; error: string | null } | null = null;
  #reloading: Promise<unknown> = Promise.resolve();

  /** @param workers share the sockets of the service; they do what this process does */
  constructor(definition: ServiceDefinition<Config>, host: Host, readConfig: () => Config, workers?: Workers<Config>) {
    this.#definition = definition;
    this.#host = host;
    this.#readConfig = readConfig;
    this.#workers = workers;
    this.#startedMs = host.clock.nowMs();
  }

  /** Files beside the config that the service is made of. */
  get files(): readonly string[] {
    return this.#service?.files?.() ?? [];
  }

  /** The real address of the admin listener. */
  get adminAddress(): string | undefined {
    return this.#admin?.address;
  }

  /** @throws {UsageError} for what the operator must mend, such as a taken port; then nothing is left open */
  async start(config: Config): Promise<void> {
    const started = this.#startNow(config);
    this.#reloading = started.catch(() => {}); // A reload asked for meanwhile comes after it.
    await started;
  }

  async #startNow(config: Config): Promise<void> {
    // The admin listener first: a second instance of a node stops here, before it shares anything with the first.
    if (config.admin !== undefined) this.#admin = await listenAdmin(this.#adminNode(), config.admin, adminToken());
    try {
      this.#service = await this.#definition.start(config, this.#host);
      await this.#workers?.start(config);
    } catch (error) {
      await this.#service?.close();
      await this.#admin?.close();
      throw error;
    }
    const service = this.#service;
    this.#admin?.extend((app) => service.extendAdmin?.(app, (path) => this.#readOthers(path)));
    this.#config = config;
    this.#phase = "running";
    this.#countRevision();
    this.#host.log.info({ admin: this.#admin?.address, version: manifest.version }, "started");
  }

  /** SIGTERM drains, a second one ends at once; SIGINT stops quickly; SIGHUP reloads. A lost launcher is like SIGINT.
   * To be called before the start, so that a node ends cleanly whenever it is told to. */
  obeySignals(): void {
    process.on("SIGTERM", () => {
      if (this.#phase === "stopping") process.exit(0);
      void this.#endProcess(this.#drainAndFinish());
    });
    let isQuick = false;
    const stopQuickly = () => {
      if (isQuick) return;
      isQuick = true; // It also cuts a drain short that is under way.
      void this.#endProcess(Promise.all([this.#finish(quickStopMs), this.#workers?.stop("SIGINT")]));
    };
    process.on("SIGINT", stopQuickly);
    process.on("SIGHUP", () => void this.tryReload());
    process.on("disconnect", stopQuickly);
    process.channel?.unref();
    // It lives until it is told to end, also while every listener is closed and no admin API is there.
    setInterval(() => {}, timerMsMax);
    if (process.send && !process.connected) stopQuickly(); // The launcher was gone before we could listen.
  }

  /** Reloads; a config that is refused is logged and counted, and the old one stays. */
  async tryReload(): Promise<void> {
    await this.reload().catch(() => {}); // Already said where it failed.
  }

  /** @throws {UsageError} with the errors of the new config; the old one stays */
  reload(): Promise<{ readonly revision: number }> {
    const next = this.#reloading.then(() => this.#reloadNow());
    this.#reloading = next.catch(() => {});
    return next;
  }

  async #reloadNow(): Promise<{ readonly revision: number }> {
    const { log, metrics, events } = this.#host;
    let config: Config | undefined;
    try {
      config = this.#readConfig();
      if (this.#config) refuseChanges(this.#config, config);
      await this.#service?.reload(config);
      await this.#workers?.reload(config);
      this.#config = config;
      this.#countRevision();
      metrics.count("watershed_reloads_total", { result: "ok" });
      this.#lastReload = { at: new Date().toISOString(), ok: true, error: null };
      events.emit("reloaded", { revision: this.#revision });
      log.info({ revision: this.#revision }, "reloaded");
      return { revision: this.#revision };
    } catch (error) {
      metrics.count("watershed_reloads_total", { result: "refused" });
      this.#lastReload = { at: new Date().toISOString(), ok: false, error: messageOf(error) };
      events.emit("reload_refused", { error: messageOf(error) });
      log.error({ error: messageOf(error) }, "reload_refused");
      const named = (config && this.#definition.filesOf?.(config)) ?? [];
      this.onConfigured([...named, ...(error instanceof ConfigError ? error.files : [])]);
      throw error;
    }
  }

  #countRevision(): void {
    this.#revision++;
    this.onConfigured([]);
    this.#host.metrics.set("watershed_config_revision", {}, this.#revision);
  }

  /** Does what the admin API of the first process was asked to do. @throws {UsageError} as it does */
  async change({ method, path, body }: { readonly method: string; readonly path: string; readonly body: string }) {
    const response = await this.#askOwn(path, { method, ...(body === "" ? {} : { body }) });
    if (!response.ok) throw new UsageError(await response.text());
  }

  /** What the admin API of this process alone answers to a GET; undefined unless that is a success. */
  async read(path: string): Promise<string | undefined> {
    const response = await this.#askOwn(path, {});
    return response.ok ? response.text() : undefined;
  }

  async #askOwn(path: string, request: RequestInit): Promise<Response> {
    const app = adminApp(this.#adminNode(), undefined, (app) => this.#service?.extendAdmin?.(app, readNobody));
    const headers = { host: "127.0.0.1" }; // as a local client's: the first process has let it in
    return app.request(`http://127.0.0.1${path}`, { ...request, headers });
  }

  async #readOthers(path: string): Promise<readonly unknown[]> {
    return (await this.#workers?.read(path)) ?? [];
  }

  /** Of this process, or of another of the node. */
  async #findDecision(id: string): Promise<Decision | undefined> {
    const own = await this.#service?.findDecision?.(id);
    if (own || !this.#workers) return own;
    const [found] = await this.#readOthers(`/decisions/${encodeURIComponent(id)}`);
    return found as Decision | undefined;
  }

  async metrics(): Promise<MetricsSnapshot> {
    this.#host.metrics.set("watershed_ready", {}, this.#ready().ready ? 1 : 0);
    return this.#host.metrics.snapshot();
  }

  #drain(): void {
    if (this.#phase !== "running") return;
    this.#phase = "draining";
    this.#service?.drain();
    this.#host.events.emit("draining", {});
    this.#host.log.info("draining");
  }

  /** Takes no new work once whoever sends it had `holdMs` to notice; what is left after `timeoutMs` is cut. */
  async #drainAndFinish(): Promise<void> {
    const { holdMs, timeoutMs } = this.#config?.drain ?? { holdMs: 0, timeoutMs: 0 };
    this.#drain();
    this.#phase = "stopping";
    const workers = this.#workers?.stop("SIGTERM");
    await this.#sleep(Math.min(holdMs, timeoutMs));
    await this.#finish(Math.max(0, timeoutMs - holdMs));
    await workers;
  }

  async #finish(limitMs: number): Promise<void> {
    this.#phase = "stopping";
    if (this.#service) {
      await Promise.race([this.#service.finish(), this.#sleep(limitMs)]);
      await this.#service.close();
    }
    await this.#admin?.close();
  }

  async #endProcess(finished: Promise<unknown>): Promise<void> {
    try {
      await finished;
      this.#host.log.info("stopped");
      process.exit(0);
    } catch (error) {
      this.#host.log.error({ error: messageOf(error) }, "stop_failed");
      process.exit(1);
    }
  }

  #sleep(delayMs: number): Promise<void> {
    // Not the host's clock: its timers let the process end early.
    return new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  #ready(): { ready: boolean; reason: string } {
    if (this.#phase === "starting") return { ready: false, reason: "STARTING" };
    if (this.#phase !== "running") return { ready: false, reason: "DRAINING" };
    const why = this.#service?.notReady();
    return why === undefined ? { ready: true, reason: "OK" } : { ready: false, reason: why };
  }

  #adminNode(): AdminNode {
    const service = () => {
      if (!this.#service) throw new UsageError("still starting");
      return this.#service;
    };
    const host = this.#host;
    return {
      host,
      ready: () => this.#ready(),
      status: () => this.#joinedStatus(),
      explain: (query) => service().explain(query),
      findDecision: (id) => this.#findDecision(id),
      pools: () => this.#service?.pools() ?? [],
      reload: () => this.reload(),
      drain: () => this.#drain(),
      metrics: async () => {
        host.metrics.set("watershed_ready", {}, this.#ready().ready ? 1 : 0);
        return host.metrics.render(await this.#workers?.metrics());
      },
      onChange: (request) => this.#workers?.change(request) ?? Promise.resolve(),
    };
  }

  /** With what is under way in the other processes of the node. */
  async #joinedStatus(): Promise<Record<string, unknown>> {
    const own = this.#status();
    if (!this.#workers) return own;
    const counted = this.#service?.countedInStatus ?? new Set(["active"]);
    return joinStatus(own, await this.#readOthers("/status"), counted) as Record<string, unknown>;
  }

  #status(): Record<string, unknown> {
    const { ready, reason } = this.#ready();
    const phase = this.#phase === "running" ? (ready ? "ready" : "starting") : this.#phase;
    return {
      service: this.#definition.name,
      node: this.#host.node,
      version: manifest.version,
      revision: this.#revision,
      lastReload: this.#lastReload,
      uptimeMs: Math.round(this.#host.clock.nowMs() - this.#startedMs),
      state: phase,
      reason,
      cuts: trafficCuts.names,
      pools: [...(this.#service?.pools() ?? [])].map((pool) => pool.status()),
      ...(this.#workers ? { workers: [{ pid: process.pid }, ...this.#workers.status()] } : {}),
      ...this.#service?.status(),
    };
  }
}
