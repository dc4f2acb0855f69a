import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { staleComposeDocuments } from "../../docker/compose.ts";
import { composeCommand, run } from "../../docker/engine.ts";
import type { Output } from "../../docker/engine.ts";
import { publishedPorts, requestOrder } from "../../docker/ports.ts";
import { preflight } from "../../docker/preflight.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { commandName } from "../command-name.ts";
import { containerStack, defaultTopology } from "../stack/choose.ts";
import type { Stack, StackChoice } from "../stack/choose.ts";
import { StartError, liftReason } from "../stack/ready.ts";
import { projectDir, rememberContainers, stateDir } from "../stack/state.ts";
import { Progress, tiersOf } from "../stack/tiers.ts";
import type { Tier } from "../stack/tiers.ts";
import { drills } from "../stack/where.ts";
import { paintForStdout, renderTable } from "../table.ts";
import { formatTook } from "../text.ts";
import { composeUp, logsOf } from "./argv.ts";
import { findContainers } from "./containers.ts";
import type { Container } from "./containers.ts";
import { wayFromClient } from "./trace.ts";

const limitMs = 180_000; // twenty nodes on two cores, tier after tier, checked every 5 s
const pollMs = 500;
const logLinesShown = 15;
const logLimitMs = 10_000;

/** Brings the stack up in containers, waits until all of them are healthy, shows it, and leaves it running.
 * @throws {UsageError} with one line for each thing that must be mended first
 * @throws {StartError} naming the container that does not come up, with its last log lines */
export async function upContainers(choice: StackChoice & { readonly demo: boolean }): Promise<number> {
  const startedMs = performance.now();
  refuseOtherTopology(choice);
  const topology = loadConfig(defaultTopology, topologySchema);
  const stale = staleComposeDocuments().map((file) => `${file} is out of date: npm run compose`);
  const problems = [...stale, ...(await preflight(topology))];
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  rememberContainers(stateDir()); // Before anything starts: `down` must find what a cut start left.
  await bringUp(topology);
  const stack = await containerStack({});
  print(`ready in ${formatTook(performance.now() - startedMs)}\n\n${placesTable(stack)}\n`);
  if (choice.demo) for (const from of ["DE", "US"]) print(`${await wayOf(topology, from)}\n\n`);
  print(whatToTry(stack, (await composeCommand()).join(" ")));
  return 0;
}

function refuseOtherTopology({ topology, scale }: StackChoice): void {
  if (topology !== undefined || scale !== undefined)
    throw new UsageError(
      "--docker takes no --topology and no --scale: docker-compose.yml is infra/topology.yaml, by npm run compose",
    );
}

async function bringUp(topology: Topology): Promise<void> {
  const nodes = nodesOf(topology, "containers");
  const [command, ...args] = await composeCommand();
  let output: Output | undefined;
  const composed = run(command, [...args, ...composeUp], { limitMs, cwd: projectDir }).then((ended) => {
    output = ended;
  });
  const progress = new Progress(process.stdout);
  for (const tier of tiersOf(nodes)) {
    progress.begin(tier);
    await waitHealthy(
      tier,
      (ready) => progress.ready(ready),
      composed,
      () => output !== undefined,
    );
    if (output && output.code !== 0) break;
    progress.end();
  }
  await composed; // The clients come last.
  progress.end();
  if (output?.code !== 0) throw await startError(nodes, output?.all ?? "");
}

/** Waits until every node of a tier is healthy, or Compose has ended: then they are, or one of them will never be. */
async function waitHealthy(
  { nodes }: Tier,
  onProgress: (ready: number) => void,
  composed: Promise<void>,
  hasEnded: () => boolean,
): Promise<void> {
  for (;;) {
    const ended = hasEnded();
    const containers = await findContainers();
    const healthy = nodes.filter(({ name }) =>
      containers.some(({ node, health }) => node === name && health === "healthy"),
    );
    onProgress(healthy.length);
    if (healthy.length === nodes.length || ended) return;
    await Promise.race([composed, new Promise((resolve) => setTimeout(resolve, pollMs))]);
  }
}

/** Why Compose did not bring everything up: the first node that ended or is not healthy, else what Compose said. */
async function startError(nodes: readonly TopologyNode[], said: string): Promise<Error> {
  const failed = firstFailed(nodes, await findContainers());
  const cleanUp = `  (${commandName()} down ends the others)`;
  if (!failed) {
    const line = engineProblem(said);
    if (line !== undefined) return new UsageError(`${line}\n${cleanUp}`);
    const lines = said.trim().split("\n").slice(-logLinesShown);
    return new StartError(`Compose failed:\n${lines.map((text) => `  ${text}\n`).join("")}${cleanUp}`, 1);
  }
  const { all } = await run("docker", logsOf(failed.id, logLinesShown), { limitMs: logLimitMs });
  const how = failed.state === "running" ? `is ${failed.health}` : `exited with ${failed.exitCode}`;
  const exitCode = failed.state !== "running" && failed.exitCode === 2 ? 2 : 1;
  const { headline, rest } = liftReason(failed.node ?? failed.name, how, all.trimEnd().split("\n"));
  return new StartError(`${headline}\n${rest.map((line) => `  ${line}\n`).join("")}${cleanUp}`, exitCode);
}

/** The first in the order of the start that does not run, or is not healthy: whoever waits for it is not to blame. */
export function firstFailed(nodes: readonly TopologyNode[], containers: readonly Container[]): Container | undefined {
  const inOrder = nodes.flatMap(({ name }) => containers.find(({ node }) => node === name) ?? []);
  const started = inOrder.filter(({ state }) => state !== "created");
  return (
    started.find(({ state, exitCode }) => state !== "running" && exitCode !== 0) ??
    started.find(({ health }) => health === "unhealthy")
  );
}

/** The line in which the engine says that a port or a network is somebody else's. */
export function engineProblem(said: string): string | undefined {
  const line = said.split("\n").find((text) => /port is already allocated|address already in use|overlaps/i.test(text));
  return line?.trim().replace(/^ERROR: /, "");
}

async function wayOf(topology: Topology, from: string): Promise<string> {
  try {
    return await wayFromClient(topology, from, "/api/users");
  } catch (error) {
    return `no client from ${from}: ${messageOf(error)}`;
  }
}

/** What stands where, inside and on this host: name servers first, as a request goes. */
function placesTable({ topology, nodes }: Stack): string {
  const ports = publishedPorts(topology);
  const rows = tiersOf(requestOrder(nodes)).flatMap((tier) =>
    tier.nodes.map((node, i) => {
      const port = ports.get(node.name)?.find(({ what }) => what !== "admin");
      const here = port ? `127.0.0.1:${port.port} ${port.what}` : "";
      return [i === 0 ? tier.title : "", node.name, node.address, here, node.admin];
    }),
  );
  const titles = ["tier", "node", "address", "on this host", "admin"];
  return renderTable(
    titles.map((title) => ({ title })),
    rows,
    paintForStdout,
  );
}

function whatToTry({ topology, nodes }: Stack, compose: string): string {
  const www = `www.${topology.dnsZone}`;
  return [
    "Try:",
    `  ${commandName()} trace --from DE /api/catalog`,
    `  ${compose} exec client-de curl -s http://${www}/api/users`,
    `  ${compose} exec client-us dig +short ${www}`,
    `  ${commandName()} status`,
    ...drills(nodes),
    "",
    `${commandName()} down ends everything.`,
    "",
  ].join("\n");
}

function print(text: string): void {
  process.stdout.write(text);
}
