import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { applyScale, nodesOf } from "#shared/topology/topology.ts";
import { compileServices, isCompiled } from "../stack/compile-cache.ts";
import { describeExit, endAll } from "../stack/spawn.ts";
import type { StackProcess } from "../stack/spawn.ts";
import { claimRun, launcherLives, livingNodes, readRun, removeRun, stateDir, writeRun } from "../stack/state.ts";
import type { Run } from "../stack/state.ts";
import { listenForStop } from "../stack/stop.ts";
import { Progress, bringUp, endLimitMs, tiersOf } from "../stack/tiers.ts";
import { waitUntil } from "../stack/wait.ts";
import { whatToTry, whereTable } from "../stack/where.ts";
import { formatTook } from "../text.ts";
import { traceRequest } from "../trace/trace.ts";
import { wayLines } from "../trace/way.ts";
import path from "node:path";
import { defaultTopology, example, shownPath } from "./command.ts";
import type { AddCommand, Stack } from "./command.ts";

interface UpOptions {
  readonly topology?: string;
  readonly scale?: string;
  readonly demo: boolean;
}

export const addUp: AddCommand = (program, exitWith) => {
  const command = program
    .command("up")
    .description("brings a topology up as local processes and stays until Ctrl-C, which ends them")
    .option("--topology <file>", "default: infra/topology.yaml")
    .option("--scale <name>", "scale of the topology, such as netflix")
    .option("--no-demo", "do not send the two clients through the stack once it is up")
    .action(async (options: UpOptions) => exitWith(await up(options)));
  example(command, "./watershed up --scale netflix");
};

async function up(options: UpOptions): Promise<number> {
  const file = path.resolve(options.topology ?? defaultTopology);
  const stack: Stack = {
    topology: applyScale(loadConfig(file, topologySchema), options.scale),
    file,
    scale: options.scale,
  };
  const dir = stateDir();
  await refuseSecondStack(dir);
  const run: Run = {
    launcherPid: process.pid,
    startedAt: new Date().toISOString(),
    topology: file,
    scale: options.scale ?? null,
    nodes: [],
  };
  claimRun(dir, run);
  try {
    return await runStack(stack, dir, run, options.demo);
  } finally {
    removeRun(dir);
  }
}

/** Brings the stack up, shows it, stays until somebody wants it to stop, and ends it.
 * @throws {StartError} if a process does not come up; then none is left */
async function runStack(stack: Stack, dir: string, run: Run, demo: boolean): Promise<number> {
  const startedMs = performance.now();
  let running: readonly StackProcess[] = [];
  let hurried = false;
  using stop = listenForStop(() => {
    hurried = true;
    for (const one of running) one.signal("SIGKILL");
  });
  const tiers = tiersOf(nodesOf(stack.topology));
  const spawning = { stateDir: dir, arguments: argumentsOf(stack) };
  if (!isCompiled(dir)) {
    await compileServices(tiers, spawning, stop.signal);
    print(`first start: compiled the services in ${formatTook(performance.now() - startedMs)}\n`);
  }
  const processes = await bringUp(
    tiers,
    {
      ...spawning,
      signal: stop.signal,
      onStarted: (started) => {
        running = started;
        const nodes = started.map(({ node: { name, service, admin }, pid }) => ({ name, service, pid, admin }));
        writeRun(dir, { ...run, nodes });
      },
    },
    new Progress(process.stdout),
  );
  if (!stop.signal.aborted) {
    print(`ready in ${formatTook(performance.now() - startedMs)}\n\n${whereTable(nodesOf(stack.topology))}\n`);
    reportEnds(processes, stack, stop.signal);
    if (demo) await showWays(stack, stop.signal);
    print(`${whatToTry(stack)}\nCtrl-C ends everything.\n`);
    await stop.asked;
  }
  const killed = await endAll(processes, endLimitMs);
  print(`ended ${processes.length} processes${killed.length > 0 ? `; killed ${killed.join(", ")}` : ""}\n`);
  return hurried ? 1 : 0;
}

/** @throws {UsageError} if the stack of this folder is up, or its nodes still live */
async function refuseSecondStack(dir: string): Promise<void> {
  const run = readRun(dir);
  if (run && launcherLives(run))
    throw new UsageError(
      `a stack is already up here (launcher ${run.launcherPid}, since ${run.startedAt}): ./watershed down ends it`,
    );
  // Nodes whose launcher was killed are ending by themselves just now.
  if (run && !(await waitUntil(() => livingNodes(run).length === 0, endLimitMs)))
    throw new UsageError(
      `${livingNodes(run).length} processes of a launcher that is gone still run: ./watershed down ends them`,
    );
  removeRun(dir);
}

function argumentsOf(stack: Stack): string[] {
  return ["--topology", stack.file, ...(stack.scale === undefined ? [] : ["--scale", stack.scale])];
}

/** Says in one line when a process ends that nobody asked to. It is not started again: that would hide the fault. */
function reportEnds(processes: readonly StackProcess[], stack: Stack, stopping: AbortSignal): void {
  for (const { node, exited } of processes)
    void exited.then((exit) => {
      if (stopping.aborted) return;
      const again = ["run", node.service, "--topology", shownPath(stack.file), "--node", node.name];
      if (stack.scale !== undefined) again.push("--scale", stack.scale);
      print(`${node.name} ${describeExit(exit)}; start it again: ./watershed ${again.join(" ")}\n`);
    });
}

const demoClients = ["DE", "US"];

/** Sends a client from each country and prints the way it took. */
async function showWays(stack: Stack, stopping: AbortSignal): Promise<void> {
  for (const from of demoClients) {
    if (stopping.aborted) return;
    try {
      const trace = await traceRequest(stack.topology, { from, url: "/api/users", method: "GET", headers: [] });
      print(`${wayLines(trace).join("\n")}\n\n`);
    } catch (error) {
      print(`no client from ${from}: ${messageOf(error)}\n\n`);
    }
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
