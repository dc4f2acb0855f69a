import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Timer } from "#shared/core/clock.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import type { Host } from "#shared/server/service.ts";
import { findKernelDecision } from "./decision.ts";
import { readCounters, readFlows } from "./flows.ts";
import { writeRemoval, writeSlots, writeTable } from "./plan/ruleset.ts";
import type { KernelTable, SlotPlan } from "./plan/model.ts";
import type { RunProgram } from "./program.ts";
import { Releases } from "./releases.ts";
import { TableBuilder, planOf } from "./table.ts";
import type { KernelListener } from "./table.ts";
import { KernelTraffic } from "./traffic.ts";

export interface KernelPlaneOptions {
  readonly host: Host;
  readonly run: RunProgram;
  /** What tells this forwarder from others on this host. */
  readonly identity: string;
  readonly canSetTimeouts: boolean;
}

const roundMs = 1_000;
const roundShare = 10; // of the time at most a tenth goes into counting, however large the table is
const verifyEveryMs = 2_000; // a foreign flush is repaired within 5 s
const verifyShare = 10;

/** The control plane of the kernel: keeps one nftables table as listeners and pools want it, repairs it, and counts. */
export class KernelPlane {
  readonly #options: KernelPlaneOptions;
  readonly #builder: TableBuilder;
  readonly #traffic: KernelTraffic;
  readonly #releases: Releases;
  readonly #idleWaiters: (() => void)[] = [];
  #listeners: readonly KernelListener[] = [];
  #table: KernelTable | undefined;
  /** The table as nft lists it, without what changes by itself: what it must still say later. */
  #listing = "";
  #unfollow: (() => void)[] = [];
  #working: Promise<void> = Promise.resolve();
  #isRefreshQueued = false;
  #isFinishing = false;
  #isStopped = false;
  #round: Timer | undefined;
  #verifyAtMs = 0;
  #repairs = 0;
  #problem: string | undefined;

  constructor(options: KernelPlaneOptions) {
    const { host, run, identity } = options;
    this.#options = options;
    this.#builder = new TableBuilder(identity, host.node);
    this.#traffic = new KernelTraffic(host.metrics, host.clock);
    this.#releases = new Releases(run);
  }

  /** Rows of `GET /connections`. */
  connections(): readonly Record<string, unknown>[] {
    return this.#traffic.rows();
  }

  get count(): number {
    return this.#traffic.count;
  }

  status(): Record<string, unknown> {
    return { table: this.#table?.name ?? null, repairs: this.#repairs, problem: this.#problem ?? null };
  }

  /** The servers of a listener in its slots, for explain. */
  planFor(listener: KernelListener): SlotPlan | undefined {
    const i = this.#listeners.indexOf(listener);
    return this.#table?.services[i]?.plan;
  }

  /** Of the connection from "ip:port", as the kernel remembers it. */
  async findDecision(downstream: string): Promise<Decision | undefined> {
    if (!this.#table) return undefined;
    const { run } = this.#options;
    return findKernelDecision(downstream, run, this.#builder.markFilter, this.#table, this.#listeners);
  }

  /** From now on these listeners. Connections that are under way stay with their servers.
   * @throws {UsageError} with what nft says, if it refuses; then no table is left, and the process carries all */
  async carry(listeners: readonly KernelListener[], config: L4ForwarderConfig): Promise<void> {
    await this.#work(async () => {
      await this.#count(); // what the old counters still know
      const table = this.#builder.build(listeners, config, this.#options.canSetTimeouts);
      this.#listeners = listeners;
      const refusal = await this.#apply(table);
      if (refusal === undefined) return;
      this.#table = undefined;
      await this.#options.run("nft", ["-f", "-"], writeRemoval(table));
      throw new UsageError(`nft refuses the table of the kernel's listeners: ${refusal}`);
    });
    for (const stop of this.#unfollow.splice(0)) stop();
    this.#unfollow = listeners.map(({ pool }) => pool.onChange(() => void this.refresh()));
    for (const { pool } of listeners) pool.measuresByChecks = true;
    this.#round ??= this.#later(roundMs);
  }

  /** Takes over what has changed in the pools. */
  refresh(): Promise<void> {
    if (this.#isRefreshQueued) return this.#working; // One that has not begun yet sees everything.
    this.#isRefreshQueued = true;
    return this.#work(() => {
      this.#isRefreshQueued = false;
      return this.#refill();
    });
  }

  /** No new connections; resolves when the kernel carries none any more. */
  async finish(): Promise<void> {
    this.#isFinishing = true;
    await this.refresh();
    await this.#work(() => this.#count());
    if (this.#traffic.count === 0 || this.#isStopped) return;
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Leaves no rule behind, and cuts what is left. */
  async stop(): Promise<void> {
    for (const stop of this.#unfollow.splice(0)) stop();
    this.#round?.cancel();
    await this.#work(async () => {
      this.#isStopped = true;
      if (!this.#table) return;
      await this.#count();
      await this.#options.run("nft", ["-f", "-"], writeRemoval(this.#table));
      await this.#releases.all(this.#builder.markFilter);
    });
    for (const tell of this.#idleWaiters.splice(0)) tell();
  }

  /** One step after the other; a step that fails does not stop the next. */
  #work(step: () => Promise<unknown>): Promise<void> {
    const done = this.#working.then(async () => {
      if (!this.#isStopped) await step();
    });
    this.#working = done.catch(() => {});
    return done;
  }

  #later(delayMs: number): Timer {
    return this.#options.host.clock.after(delayMs, () => void this.#work(() => this.#goRound()));
  }

  /** Counts, takes over weights and counts that moved, and looks whether the table is still ours. */
  async #goRound(): Promise<void> {
    const { clock } = this.#options.host;
    const startedMs = clock.nowMs();
    const isThere = await this.#count();
    if (!isThere) await this.#repair();
    else if (startedMs >= this.#verifyAtMs) await this.#verify();
    await this.#refill();
    this.#round = this.#later(Math.max(roundMs, (clock.nowMs() - startedMs) * roundShare));
    if (this.#traffic.count > 0) return;
    for (const tell of this.#idleWaiters.splice(0)) tell();
  }

  /** @returns whether the table is there */
  async #count(): Promise<boolean> {
    const table = this.#table;
    if (!table) return true;
    const { run } = this.#options;
    const [counters, flows] = await Promise.all([
      run("nft", ["-j", "list", "counters", "table", "inet", table.name]),
      run("conntrack", ["-L", "--mark", this.#builder.markFilter]),
    ]);
    const read = counters.code === 0 ? readCounters(counters.stdout) : undefined;
    if (read) this.#traffic.readCounters(read, table, this.#listeners);
    if (flows.code === 0) this.#traffic.readFlows(readFlows(flows.stdout), table, this.#listeners);
    return read !== undefined && (read.size > 0 || table.services.length === 0);
  }

  async #verify(): Promise<void> {
    const { clock } = this.#options.host;
    const startedMs = clock.nowMs();
    const listing = await this.#list();
    this.#verifyAtMs = startedMs + Math.max(verifyEveryMs, (clock.nowMs() - startedMs) * verifyShare);
    if (listing !== this.#listing) await this.#repair();
  }

  async #repair(): Promise<void> {
    const { host } = this.#options;
    if (!this.#table) return;
    const refusal = await this.#apply(this.#table);
    const fields = { table: this.#table.name, ...(refusal !== undefined && { error: refusal }) };
    if (refusal === undefined) this.#repairs++;
    host.events.emit(refusal === undefined ? "kernel_table_repaired" : "kernel_table_lost", fields);
    host.log.warn(fields, refusal === undefined ? "kernel_table_repaired" : "kernel_table_lost");
  }

  /** @returns what nft says, if it refuses */
  async #apply(table: KernelTable): Promise<string | undefined> {
    const { code, stderr } = await this.#options.run("nft", ["-f", "-"], writeTable(table));
    if (code !== 0) return (this.#problem = stderr.split("\n")[0] ?? "");
    this.#problem = undefined;
    this.#table = table;
    this.#traffic.restart();
    this.#listing = await this.#listAsApplied(table);
    return undefined;
  }

  /** Refills the slots of every service where they changed, then lets go of what must not stay. */
  async #refill(): Promise<void> {
    const table = this.#table;
    if (!table) return;
    const services = table.services.map((service, i) => {
      const listener = this.#listeners[i];
      const plan =
        listener && !this.#isFinishing ? planOf(listener, service.servers) : ({ by: "inc", slots: [] } as const);
      return isSame(plan, service.plan) ? service : { ...service, plan };
    });
    const changed = services.filter((service, i) => service !== table.services[i]);
    const next = { ...table, services };
    if (changed.length > 0) {
      const text = changed.map((service) => writeSlots(next, service)).join("");
      const { code, stderr } = await this.#options.run("nft", ["-f", "-"], text);
      this.#table = next;
      if (code === 0) this.#listing = await this.#listAsApplied(next);
      else this.#problem = stderr.split("\n")[0]; // The next round finds the table other than it shall be.
    }
    await this.#releases.follow(next, this.#listeners, this.#options.host.clock.nowMs());
  }

  /** What the table must say from now on; "" if somebody has changed it already. */
  async #listAsApplied(table: KernelTable): Promise<string> {
    const listing = await this.#list();
    const count = (word: string) => listing.split(word).length - 1;
    const servers = table.services.reduce((sum, service) => sum + service.servers.length, 0);
    const open = table.services.filter(({ plan }) => plan.slots.length > 0).length;
    return count(" dnat ip") === servers && count("_slots\n") - table.services.length <= open ? listing : "";
  }

  async #list(): Promise<string> {
    const { stdout } = await this.#options.run("nft", ["-s", "list", "table", "inet", this.#builder.name]);
    return stdout.replaceAll(/^\tset (?:clients\d|rates\d|full) \{.*?^\t\}$/gms, ""); // filled by the kernel itself
  }
}

function isSame(one: SlotPlan, other: SlotPlan): boolean {
  if (one.by !== other.by || one.slots.length !== other.slots.length) return false;
  return one.slots.every((slot, i) => slot === other.slots[i]);
}
