import path from "node:path";
import { DockerComposeEnvironment } from "testcontainers";
import { vi } from "vitest";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import type { EndpointStatus, PoolStatus } from "#shared/endpoint/status.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { composePlugin, docker } from "#test/support/docker.ts";
import { composeName } from "../../infra/docker/compose-file.ts";
import { run } from "../../infra/docker/engine.ts";
import type { Output } from "../../infra/docker/engine.ts";
import { attachmentsOf, networksOf } from "../../infra/docker/networks.ts";
import { publishedPorts } from "../../infra/docker/ports.ts";
import { preflight } from "../../infra/docker/preflight.ts";
import { projectName } from "./labels.ts";

const root = path.resolve(import.meta.dirname, "../..");
const execLimitMs = 30_000;
const stopSeconds = 30; // as stop_grace_period
const pollMs = 250;
const settleLimitMs = 75_000; // an endpoint that fell twice in a minute is held down for one

/** An endpoint as those that send it work see it. */
export type Seen = Pick<EndpointStatus, "address" | "name" | "zone">;

/** Clients that are there without a profile. */
export const clients = ["client-de", "client-us"] as const;

/** The stack of docker-compose.yml, up in containers. It is started once for all test files, by the first that wants it,
 * and removed after the last one (setup.ts). */
export class ContainerStack {
  readonly topology: Topology;
  readonly nodes: readonly TopologyNode[];
  /** Container ids by service of docker-compose.yml. */
  readonly #ids: ReadonlyMap<string, string>;
  readonly #adminPorts: ReadonlyMap<string, number>;
  readonly #token: string;

  private constructor(topology: Topology, ids: ReadonlyMap<string, string>, token: string) {
    this.topology = topology;
    this.nodes = nodesOf(topology, "containers");
    this.#ids = ids;
    this.#token = token;
    this.#adminPorts = new Map(
      Array.from(publishedPorts(topology), ([name, ports]) => [name, ports.find(({ what }) => what === "admin")!.port]),
    );
  }

  /** @throws {Error} with one line for each thing that keeps it from starting */
  static async get(): Promise<ContainerStack> {
    process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true"; // setup.ts removes what is left
    const topology = loadConfig(path.join(root, "infra/topology.yaml"), topologySchema);
    if ((await findIds()).size === 0) await bringUp(topology);
    const ids = await findIds();
    return new ContainerStack(
      topology,
      ids,
      await docker("exec", ids.get("client-de")!, "cat", "/run/watershed/token"),
    );
  }

  /** Nodes that send work to one of these, or to what stands before it. */
  watchersOf(names: readonly string[]): string[] {
    const above = {
      origin: ["l4-forwarder", "l7-router"],
      "l4-forwarder": ["l7-router"],
      "l7-router": ["geodns"],
      geodns: [],
    };
    const hit = names.map((name) => this.node(name));
    const isAbove = (node: TopologyNode, part: TopologyNode) =>
      (above[part.service] as readonly string[]).includes(node.service) &&
      (node.service === "geodns" ||
        (node.service === "l7-router" ? node.region === part.region : node.zone === part.zone));
    return this.nodes.filter((node) => hit.some((part) => isAbove(node, part))).map(({ name }) => name);
  }

  get site(): string {
    return `www.${this.topology.dnsZone}`;
  }

  get containerIds(): readonly string[] {
    return [...this.#ids.values()];
  }

  node(name: string): TopologyNode {
    const found = this.nodes.find((node) => node.name === name);
    if (!found) throw new Error(`no node ${name}`);
    return found;
  }

  /** Container of a node or client. */
  id(name: string): string {
    const found = this.#ids.get(composeName(name));
    if (found === undefined) throw new Error(`no container of ${name}`);
    return found;
  }

  /** Runs a command inside a container. */
  exec(name: string, ...command: readonly string[]): Promise<Output> {
    return run("docker", ["exec", this.id(name), ...command], { limitMs: execLimitMs });
  }

  async kill(...names: readonly string[]): Promise<void> {
    await docker("kill", "--signal", "KILL", ...names.map((name) => this.id(name)));
  }

  /** @returns exit code of each */
  async stop(...names: readonly string[]): Promise<number[]> {
    const ids = names.map((name) => this.id(name));
    await Promise.all(ids.map((id) => docker("stop", "--time", String(stopSeconds), id)));
    const codes = await docker("inspect", "--format", "{{.State.ExitCode}}", ...ids);
    return codes.split("\n").map(Number);
  }

  async start(...names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => docker("start", this.id(name))));
  }

  async pause(name: string): Promise<void> {
    await docker("pause", this.id(name));
  }

  async unpause(name: string): Promise<void> {
    await docker("unpause", this.id(name));
  }

  /** Takes nodes off a network.
   * @param network key in docker-compose.yml */
  async cut(network: string, ...names: readonly string[]): Promise<void> {
    await Promise.all(names.map((name) => docker("network", "disconnect", `watershed-${network}`, this.id(name))));
  }

  /** Puts them back, each at its address. */
  async join(network: string, ...names: readonly string[]): Promise<void> {
    const networks = networksOf(this.topology);
    await Promise.all(
      names.map((name) => {
        const address = attachmentsOf(this.node(name), networks).get(network)!;
        return docker("network", "connect", "--ip", address, `watershed-${network}`, this.id(name));
      }),
    );
  }

  /** GET of a node's admin API, from the host. */
  admin(name: string, target: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#adminPorts.get(name)}${target}`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: AbortSignal.timeout(2_000),
    });
  }

  async pools(name: string): Promise<readonly PoolStatus[]> {
    const response = await this.admin(name, "/status");
    return ((await response.json()) as { pools?: readonly PoolStatus[] }).pools ?? [];
  }

  /** Resolves once these nodes are ready, and each of `watchers` sends work to all of its endpoints. One after the other:
   * twenty that are asked at once would take the time from what is measured. */
  async settled(names: readonly string[], watchers: readonly string[]): Promise<void> {
    const wait = { timeout: settleLimitMs, interval: pollMs };
    for (const name of names)
      await vi.waitFor(async () => expectTrue((await this.admin(name, "/readyz")).ok, `${name} is not ready`), wait);
    for (const name of watchers) await vi.waitFor(() => this.#expectWhole(name), wait);
  }

  async #expectWhole(name: string): Promise<void> {
    for (const { name: pool, endpoints } of await this.pools(name))
      for (const { name: endpoint, eligible, reason } of endpoints)
        expectTrue(eligible, `${name}: ${endpoint} of ${pool} is ${reason}`);
  }

  /** Resolves once no watcher sends work to the endpoints that are hit. */
  async lost(watchers: readonly string[], isHit: (endpoint: Seen) => boolean): Promise<void> {
    await Promise.all(
      watchers.map((name) =>
        vi.waitFor(
          async () => {
            const endpoints = (await this.pools(name)).flatMap((pool) => pool.endpoints).filter(isHit);
            expectTrue(endpoints.length > 0, `${name} has such endpoints`);
            const left = endpoints.filter(({ eligible }) => eligible);
            expectTrue(left.length === 0, `${name} still uses ${left.map((one) => one.name).join(", ")}`);
          },
          { timeout: settleLimitMs, interval: 100 },
        ),
      ),
    );
  }
}

function expectTrue(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Running containers of the stack under test: service → id. */
async function findIds(): Promise<Map<string, string>> {
  const filter = `label=com.docker.compose.project=${projectName}`;
  const format = '{{.ID}} {{.Label "com.docker.compose.service"}}';
  const lines = (await docker("ps", "--no-trunc", "--filter", filter, "--format", format)).split("\n");
  return new Map(lines.filter((line) => line !== "").map((line) => line.split(" ").toReversed() as [string, string]));
}

async function bringUp(topology: Topology): Promise<void> {
  const others = (await docker("network", "ls", "--format", "{{.Name}}"))
    .split("\n")
    .filter((name) => networksOf(topology).some(({ key }) => name === `watershed-${key}`));
  if (others.length > 0)
    throw new Error(`a stack is up in containers (networks ${others.join(", ")}): ./watershed down, then test`);
  const problems = await preflight(topology);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  await using _plugin = await composePlugin();
  const startedMs = performance.now();
  await new DockerComposeEnvironment(root, "docker-compose.yml").withProjectName(projectName).up();
  console.log(`the stack is healthy after ${Math.round((performance.now() - startedMs) / 1_000)} s`);
}
