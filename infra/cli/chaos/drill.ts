import { protocolOf } from "#shared/config/schema/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { getAdmin } from "../admin-client.ts";
import type { Stack } from "../stack/choose.ts";
import type { StopRequest } from "../stack/stop.ts";
import { formatTook } from "../text.ts";
import { Awaited } from "./awaited.ts";
import { follow } from "./follow.ts";
import type { Line } from "./lines.ts";
import { perform, poolsOf } from "./perform.ts";
import type { Power } from "./power.ts";
import { stepsOf } from "./steps.ts";
import type { Step } from "./steps.ts";
import { fullName } from "./target.ts";
import type { Target } from "./target.ts";
import type { Verb } from "./verbs.ts";
import { viewsOf, watchersOf } from "./views.ts";
import type { View } from "./views.ts";

const lossLimitMs = 15_000; // four times what detection takes with the checks of infra/topology.yaml
const returnLimitMs = 60_000; // starting takes seconds, and who flaps is held back longer each time
const mildSlowMs = 3_000; // whom no check takes out is watched this long
const pollMs = 100;
const recheckMs = 2_000; // for what events do not tell
const readyAnswerLimitMs = 500;

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

export interface DrillOptions {
  readonly verb: Verb;
  readonly target: Target;
  /** Of `slow`. */
  readonly delayMs: number;
  /** Heals after this time; undefined: leaves it as it is. */
  readonly forMs: number | undefined;
  readonly stop: StopRequest;
  readonly write: (line: Line) => void;
}

/** One drill: does it, tells who sees what and when, and heals where that is wanted. */
export class Drill {
  readonly #stack: Stack;
  readonly #power: Power;
  readonly #options: DrillOptions;
  /** When the first thing was done. */
  #startedMs: number | undefined;
  #awaited = new Awaited("gone");
  #onChange: () => void = () => {};

  constructor(stack: Stack, power: Power, options: DrillOptions) {
    this.#stack = stack;
    this.#power = power;
    this.#options = options;
  }

  /** @returns whether everybody who should see it did, in time
   * @throws {UsageError} or {TrafficError} if it cannot be done */
  async run(): Promise<boolean> {
    const { verb, target, forMs, stop } = this.#options;
    using feed = await follow(watchersOf(target, this.#stack.nodes, this.#blind()), (node, event) => {
      this.#write({ kind: "event", node: node.name, event });
      this.#awaited.saw(node, event);
      this.#onChange();
    });
    for (const node of feed.silent)
      if (!target.nodes.includes(node)) this.#write({ kind: "note", what: `${node.name} does not tell what it sees` });
    if (verb === "heal") return await this.#heal(stop.signal);
    const done = this.#damage(forMs ?? Number.POSITIVE_INFINITY);
    if (forMs === undefined) return await done;
    try {
      const seen = await done;
      await this.#waitFor(() => false, forMs - this.#elapsedMs(), stop.signal);
      return (await this.#heal()) && seen;
    } catch (error) {
      await this.#heal(); // A part of it may have been done.
      throw error;
    }
  }

  /** Who cannot see what is done, as it is done to it. */
  #blind(): readonly TopologyNode[] {
    const { verb, target } = this.#options;
    return verb === "heal" || verb === "slow" ? [] : target.nodes;
  }

  async #damage(limitMs: number): Promise<boolean> {
    const { verb, target, delayMs, stop } = this.#options;
    this.#awaited = new Awaited("gone");
    await this.#expect(viewsOf(this.#expected(), this.#stack.nodes, "all"));
    const steps = stepsOf(verb, target, this.#stack.nodes, delayMs);
    this.#startedMs = performance.now();
    const performed = Promise.all(steps.map((step) => this.#perform(step)));
    // A stop goes on while the tiers above see it already.
    const failed = performed.then(() => new Promise<never>(() => {}));
    const watchMs = this.#awaited.watchers > 0 ? lossLimitMs : verb === "slow" ? mildSlowMs : 0;
    const seen = await Promise.race([failed, this.#waitUntilSeen(Math.min(watchMs, limitMs), stop.signal)]);
    await performed;
    return seen;
  }

  /** What of the target those above must lose. By a check that only connects, a held or slow server is well. */
  #expected(): Target {
    const { verb, target, delayMs } = this.#options;
    const byHttp = target.servers.filter(({ service }) => {
      return Object.entries(protocolOf).some(([name, protocol]) => name === service && protocol === "http");
    });
    if (verb === "pause") return { ...target, servers: byHttp };
    if (verb !== "slow") return target;
    return { ...target, nodes: [], servers: delayMs >= this.#stack.topology.health.timeoutMs ? byHttp : [] };
  }

  /** Brings everything of the target back, and waits until that is seen. */
  async #heal(stop?: AbortSignal): Promise<boolean> {
    const { target } = this.#options;
    this.#awaited = new Awaited("up");
    await this.#expect(viewsOf(target, this.#stack.nodes, "all", this.#blind()));
    const steps = stepsOf("heal", target, this.#stack.nodes, 0);
    this.#startedMs ??= performance.now();
    const isNode = (step: Step) => step.do === "heal";
    await Promise.all(steps.filter(isNode).map((step) => this.#perform(step)));
    await Promise.all(target.nodes.map((node) => this.#waitReady(node, stop)));
    await Promise.all(steps.filter((step) => !isNode(step)).map((step) => this.#perform(step)));
    return this.#waitUntilSeen(this.#awaited.watchers > 0 ? returnLimitMs : 0, stop);
  }

  /** What those above have of the target now, and shall see change. */
  async #expect(views: readonly View[]): Promise<void> {
    const awaited = this.#awaited;
    // Who does not answer has nothing to see; that its events are missing has been said.
    const seen = await Promise.all(
      views.map(async (view) => ({ ...view, pools: await poolsOf(view.watcher).catch(() => []) })),
    );
    for (const { watcher, pools, addresses } of seen) awaited.add(watcher, pools, addresses);
  }

  /** Asks those that have not yet seen it. */
  async #recheck(): Promise<void> {
    const awaited = this.#awaited;
    const waiting = new Set(awaited.pending.map(({ watcher }) => watcher));
    await Promise.all(
      this.#stack.nodes.map(async (node) => {
        if (waiting.has(node.name)) awaited.recheck(node.name, await poolsOf(node).catch(() => []));
      }),
    );
    this.#onChange();
  }

  #perform(step: Step): Promise<void> {
    return perform(step, this.#power, (node, what) => this.#write({ kind: "action", node: node.name, what }));
  }

  /** Until a node that was brought back is ready; tells it where that took a while. */
  async #waitReady(node: TopologyNode, stop?: AbortSignal): Promise<void> {
    const startedMs = performance.now();
    for (let ask = 1; !stop?.aborted && performance.now() - startedMs < returnLimitMs; ask++) {
      const reply = await getAdmin(node.admin, "/readyz", readyAnswerLimitMs).catch(() => undefined);
      if (reply?.status === 200) {
        if (ask > 1) this.#write({ kind: "action", node: node.name, what: "ready" });
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
    if (!stop?.aborted) this.#write({ kind: "note", what: `${node.name} is not ready` });
  }

  async #waitUntilSeen(limitMs: number, stop?: AbortSignal): Promise<boolean> {
    const awaited = this.#awaited;
    const startedMs = performance.now();
    await this.#waitFor(() => awaited.watchers > 0 && awaited.pending.length === 0, limitMs, stop);
    if (awaited.watchers === 0) {
      this.#write({ kind: "note", what: this.#nothingToSee() });
      return true;
    }
    const { pending } = awaited;
    const took = formatTook(performance.now() - startedMs);
    if (pending.length === 0) {
      this.#write({
        kind: "note",
        what: `seen by ${awaited.watchers === 1 ? "1 node" : `all ${awaited.watchers} nodes`}`,
      });
      return true;
    }
    const who = pending.slice(0, 3).map(({ watcher, pool, name }) => `${watcher} pool ${pool} ${name}`);
    const more = pending.length > who.length ? ` and ${pending.length - who.length} more` : "";
    this.#write({ kind: "note", what: `not seen after ${took}: ${who.join(", ")}${more}` });
    return false;
  }

  #nothingToSee(): string {
    const { verb, target } = this.#options;
    if (target.kind === "nameserver") return "no tier watches name servers: resolvers turn to the other one";
    if (verb === "slow") return `no check takes ${fullName(target)} out: it is slow, and well`;
    return "those above see no change";
  }

  /** Waits until something holds, which only events change. */
  async #waitFor(holds: () => boolean, limitMs: number, stop?: AbortSignal): Promise<void> {
    if (holds() || limitMs <= 0 || stop?.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    const rechecks = setInterval(() => void this.#recheck(), recheckMs);
    await new Promise<void>((resolve) => {
      if (Number.isFinite(limitMs)) timer = setTimeout(resolve, limitMs);
      stop?.addEventListener("abort", () => resolve(), { once: true });
      this.#onChange = () => {
        if (holds()) resolve();
      };
    });
    clearTimeout(timer);
    clearInterval(rechecks);
    this.#onChange = () => {};
  }

  #write(line: DistributiveOmit<Line, "afterMs">): void {
    this.#options.write({ ...line, afterMs: this.#elapsedMs() });
  }

  #elapsedMs(): number {
    return this.#startedMs === undefined ? 0 : performance.now() - this.#startedMs;
  }
}
