import { z } from "zod";
import { balanceNames } from "#shared/config/schema/common.ts";
import { TrafficError, UsageError, messageOf } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { runCommand } from "./command-line.ts";
import type { TrafficGenerator } from "./generator.ts";
import type { StackState } from "./state/stack-state.ts";

const adminLimitMs = 2_000;
const delayMsMax = 60_000;

const name = z.string().regex(/^\w[\w./:-]{0,79}$/, "expected a name"); // never an option of a command

const commandSchemas = {
  drill: z.strictObject({
    verb: z.enum(["kill", "stop", "pause", "drain", "slow", "cut", "heal"]),
    target: z.strictObject({ kind: name, name }),
    delayMs: z.int().min(1).max(delayMsMax).optional(),
  }),
  "heal-all": z.strictObject({}),
  balance: z.strictObject({ tier: z.enum(["l7", "l4"]), pool: name, balance: z.enum(balanceNames) }),
  weight: z.strictObject({ pool: name, endpoint: name, weight: z.int().min(1).max(1_000) }),
  region: z.strictObject({ region: name, state: z.enum(["up", "down", "drain", "auto"]) }),
  traffic: z.strictObject({
    rates: z.record(z.string().regex(/^[A-Z]{2}$/), z.number().min(0).max(2_000)),
    mix: z.array(z.string().max(200)).max(64).optional(),
    seed: z.int().min(0).max(2_147_483_647).optional(),
  }),
  trace: z.strictObject({
    from: z.string().regex(/^[\dA-Za-z.:]{2,45}$/, "expected a country or an address"),
    method: z.string().regex(/^[A-Z]{1,20}$/, "expected a method such as GET"),
    url: z.string().min(1).max(2_048),
    headers: z.array(z.string().max(4_096)).max(32),
    body: z.string().max(65_536).optional(),
  }),
};
type CommandName = keyof typeof commandSchemas;
type Input<Name extends CommandName> = z.output<(typeof commandSchemas)[Name]>;

/** What the commands work on. */
export interface CommandParts {
  readonly nodes: readonly TopologyNode[];
  readonly state: StackState;
  readonly generator: TrafficGenerator;
  /** A change at the admin API of a node. */
  change(
    node: TopologyNode,
    method: "PUT" | "POST",
    path: string,
    body: unknown,
    signal: AbortSignal,
  ): Promise<Response>;
}

/** What a page may have done. Everything can be taken back by `heal-all`. */
export class Commands {
  readonly #parts: CommandParts;
  /** Algorithms before they were switched, by "NODE POOL". */
  readonly #balances = new Map<string, string>();
  /** Endpoints whose weight was changed, by "NODE POOL ADDRESS", with what it was. */
  readonly #weights = new Map<string, number>();
  readonly #regions = new Set<string>();

  constructor(parts: CommandParts) {
    this.#parts = parts;
  }

  /** @param input as it came from a page
   * @returns what is sent back as JSON
   * @throws {UsageError} if there is no such command, its input is wrong, or it is refused */
  async run(command: string, input: unknown): Promise<unknown> {
    switch (command) {
      case "drill":
        return this.#drill(parse(command, input));
      case "heal-all":
        return this.#healAll();
      case "balance":
        return this.#balance(parse(command, input));
      case "weight":
        return this.#weight(parse(command, input));
      case "region":
        return this.#region(parse(command, input));
      case "traffic":
        await this.#parts.generator.set(parse(command, input));
        return this.#parts.generator.view();
      case "trace":
        return trace(parse(command, input));
      default:
        throw new UsageError(`there is no command "${command}"`);
    }
  }

  /** Returns once it is done; who sees it comes by the time line. */
  async #drill({ verb, target, delayMs }: Input<"drill">): Promise<unknown> {
    const what = `${verb} ${target.kind} ${target.name}`;
    this.#note(what, verb === "heal" ? "good" : "bad");
    const words = ["chaos", verb, target.kind, target.name, "--json"];
    if (verb === "slow" && delayMs !== undefined) words.push("--delay", `${delayMs}ms`);
    const acted = Promise.withResolvers<void>();
    const ended = runCommand(words, { onLine: () => acted.resolve() }).then(({ code, output }) => {
      if (code !== 0) this.#note(`${what}: ${lastWords(output)}`, "note");
    });
    ended.catch(() => {}); // Told by the race, or noted below.
    await Promise.race([acted.promise, ended]);
    ended.catch((error: unknown) => this.#note(`${what}: ${messageOf(error)}`, "bad"));
    return { done: what };
  }

  async #healAll(): Promise<unknown> {
    this.#note("heal all", "good");
    const { nodes } = this.#parts;
    const failures: string[] = [];
    const attempt = (task: Promise<unknown>) => task.catch((error: unknown) => failures.push(messageOf(error)));
    await attempt(
      runCommand(["chaos", "heal", "--all", "--json"]).then(({ code, output }) => {
        if (code !== 0) failures.push(lastWords(output));
      }),
    );
    await Promise.all([
      ...[...this.#balances].map(async ([key, balance]) => {
        const [nodeName = "", pool = ""] = key.split(" ");
        const node = nodes.find((one) => one.name === nodeName);
        if (node) await attempt(this.#setBalance(node, pool, balance).then(() => this.#balances.delete(key)));
      }),
      ...[...this.#weights].map(async ([key, weight]) => {
        const [nodeName = "", pool = "", address = ""] = key.split(" ");
        const node = nodes.find((one) => one.name === nodeName);
        if (node) await attempt(this.#setWeight(node, pool, address, weight).then(() => this.#weights.delete(key)));
      }),
      ...[...this.#regions].map((region) => attempt(this.#setRegion(region, "auto"))),
    ]);
    this.#regions.clear();
    if (failures.length > 0) throw new UsageError(`not everything could be healed: ${failures.join("; ")}`);
    return { done: "heal all" };
  }

  /** Every node of the tier that has the pool. */
  async #balance({ tier, pool, balance }: Input<"balance">): Promise<unknown> {
    const service = tier === "l7" ? "l7-router" : "l4-forwarder";
    const views = this.#parts.state.latest?.nodes.filter((node) => node.tier === tier) ?? [];
    const having = views.filter(({ pools }) => pools.some((one) => one.name === pool));
    if (having.length === 0) throw new UsageError(`no ${tier === "l7" ? "router" : "forwarder"} has a pool ${pool}`);
    const nodes = this.#parts.nodes.filter((node) => node.service === service);
    for (const view of having) {
      const before = view.pools.find((one) => one.name === pool)?.balance ?? "";
      const key = `${view.name} ${pool}`;
      if (!this.#balances.has(key) && before !== balance) this.#balances.set(key, before);
      const node = nodes.find((one) => one.name === view.name);
      if (node) await this.#setBalance(node, pool, balance);
    }
    this.#note(`pool ${pool} of the ${tier === "l7" ? "routers" : "forwarders"}: ${balance}`, "note");
    return { done: `${pool}: ${balance}` };
  }

  /** The weight of one endpoint, at every node that has it. */
  async #weight({ pool, endpoint, weight }: Input<"weight">): Promise<unknown> {
    const views = this.#parts.state.latest?.nodes ?? [];
    let found = 0;
    for (const view of views) {
      const held = view.pools.find((one) => one.name === pool)?.endpoints.find(({ address }) => address === endpoint);
      const node = this.#parts.nodes.find((one) => one.name === view.name);
      if (!held || !node) continue;
      const key = `${view.name} ${pool} ${endpoint}`;
      if (!this.#weights.has(key)) this.#weights.set(key, held.weight);
      await this.#setWeight(node, pool, endpoint, weight);
      found++;
    }
    if (found === 0) throw new UsageError(`no node has an endpoint ${endpoint} in a pool ${pool}`);
    this.#note(`${endpoint} of pool ${pool}: weight ${weight}`, "note");
    return { done: `${endpoint}: weight ${weight}` };
  }

  async #region({ region, state }: Input<"region">): Promise<unknown> {
    await this.#setRegion(region, state);
    if (state === "auto") this.#regions.delete(region);
    else this.#regions.add(region);
    this.#note(`region ${region}: ${state}`, state === "down" || state === "drain" ? "bad" : "note");
    return { done: `${region}: ${state}` };
  }

  async #setRegion(region: string, state: string): Promise<void> {
    const nameServers = this.#parts.nodes.filter(({ service }) => service === "geodns");
    await Promise.all(nameServers.map((node) => this.#change(node, "POST", `/regions/${region}/${state}`)));
  }

  #setBalance(node: TopologyNode, pool: string, balance: string): Promise<void> {
    return this.#change(node, "PUT", `/pools/${pool}/balance`, { balance });
  }

  #setWeight(node: TopologyNode, pool: string, address: string, weight: number): Promise<void> {
    return this.#change(node, "PUT", `/pools/${pool}/endpoints/${encodeURIComponent(address)}/weight`, { weight });
  }

  async #change(node: TopologyNode, method: "PUT" | "POST", path: string, body?: unknown): Promise<void> {
    const reply = await this.#parts
      .change(node, method, path, body, AbortSignal.timeout(adminLimitMs))
      .catch((error: unknown) => {
        throw new TrafficError("CONNECT_FAILED", `${node.name} does not answer: ${messageOf(error)}`, {
          origin: "upstream",
        });
      });
    if (!reply.ok) throw new UsageError(`${node.name}: ${reply.status} ${(await reply.text()).trim().slice(0, 300)}`);
  }

  #note(text: string, level: "good" | "bad" | "note"): void {
    this.#parts.state.timeline.add({ node: "console", type: "command", text, reason: "", level });
  }
}

/** One real request, and what every tier recorded about it: `./watershed trace --json`. */
async function trace({ from, method, url, headers, body }: Input<"trace">): Promise<unknown> {
  const words = ["trace", "--json", "--from", from, "--method", method];
  for (const header of headers) words.push("--header", header);
  if (body !== undefined && body !== "") words.push("--data", body);
  const { code, output } = await runCommand([...words, "--", url]);
  if (!output.startsWith("{"))
    throw new TrafficError("UPSTREAM_INVALID", lastWords(output) || `the trace ended with ${code}`, {
      origin: "internal",
    });
  return JSON.parse(output) as unknown;
}

function parse<Name extends CommandName>(command: Name, input: unknown): Input<Name> {
  const parsed = commandSchemas[command].safeParse(input);
  if (parsed.success) return parsed.data as Input<Name>;
  const [issue] = parsed.error.issues;
  throw new UsageError(`${command}: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is wrong"}`.replace("  ", " "));
}

function lastWords(output: string): string {
  const line = output.trim().split("\n").at(-1) ?? "";
  return line.replace(/^error: /, "").slice(0, 300);
}
