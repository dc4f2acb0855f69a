import { UsageError, messageOf } from "#shared/core/error.ts";
import { chooseStack, defaultTopology } from "../stack/choose.ts";
import type { Stack } from "../stack/choose.ts";
import { compileServices, isCompiled } from "../stack/compile-cache.ts";
import { targetNameOf } from "../chaos/target.ts";
import { commandName } from "../command-name.ts";
import { startConsole } from "../stack/console.ts";
import { listenControl } from "../stack/control.ts";
import { Roster } from "../stack/roster.ts";
import { countRunning, describeExit, endAll } from "../stack/spawn.ts";
import type { StackProcess } from "../stack/spawn.ts";
import { claimRun, launcherLives, livingNodes, readRun, removeRun, stateDir, writeRun } from "../stack/state.ts";
import type { Run } from "../stack/state.ts";
import { listenForStop } from "../stack/stop.ts";
import { Progress, bringUp, endLimitMs, tiersOf } from "../stack/tiers.ts";
import { waitUntil } from "../stack/wait.ts";
import { whatToTry, whereTable } from "../stack/where.ts";
import { formatCount, formatTook } from "../text.ts";
import { traceRequest } from "../trace/trace.ts";
import { wayLines } from "../trace/way.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

interface UpOptions {
  readonly topology?: string;
  readonly scale?: string;
  readonly docker?: boolean;
  readonly demo: boolean;
  /** Where the web console is; false: nowhere. */
  readonly console: string | false;
}

const defaultConsole = "127.0.0.1:8900";

export const addUp: AddCommand = (program, exitWith) => {
  const command = program
    .command("up")
    .description("brings a topology up as local processes and stays until Ctrl-C, which ends them; or in containers")
    .option("--topology <file>", "default: infra/topology.yaml")
    .option("--scale <name>", "scale of the topology, such as netflix")
    .option("--docker", "in containers (docker-compose.yml), which stay up until watershed down")
    .option("--console <address:port>", "where the web console is", defaultConsole)
    .option("--no-console", "without the web console")
    .option("--no-demo", "do not send the two clients through the stack once it is up")
    .action(async (options: UpOptions) => exitWith(await up(options)));
  example(command, "up --scale netflix");
};

async function up(options: UpOptions): Promise<number> {
  if (options.docker) {
    const { upContainers } = await import("../docker/up.ts");
    return upContainers(options);
  }
  const dir = stateDir();
  await refuseSecondStack(dir);
  const stack = await chooseStack({ topology: options.topology ?? defaultTopology, scale: options.scale });
  const run: Run = {
    launcherPid: process.pid,
    startedAt: new Date().toISOString(),
    topology: stack.file,
    scale: options.scale ?? null,
    nodes: [],
  };
  claimRun(dir, run);
  try {
    return await runStack(stack, dir, run, options);
  } finally {
    removeRun(dir);
  }
}

/** Brings the stack up, shows it, stays until somebody wants it to stop, and ends it.
 * @throws {StartError} if a process does not come up; then none is left */
async function runStack(stack: Stack, dir: string, run: Run, options: UpOptions): Promise<number> {
  const startedMs = performance.now();
  let running: readonly StackProcess[] = [];
  const remember = (processes: readonly StackProcess[]) => {
    running = processes;
    const nodes = processes.map(({ node: { name, service, admin }, pid }) => ({ name, service, pid, admin }));
    writeRun(dir, { ...run, nodes });
  };
  let hurried = false;
  using stop = listenForStop(() => {
    hurried = true;
    for (const one of running) one.signal("SIGKILL");
  });
  const tiers = tiersOf(stack.nodes);
  const spawning = { stateDir: dir, arguments: argumentsOf(stack) };
  if (!isCompiled(tiers, dir)) {
    await compileServices(tiers, spawning, stop.signal);
    print(`first start: compiled the services in ${formatTook(performance.now() - startedMs)}\n`);
  }
  const processes = await bringUp(
    tiers,
    {
      ...spawning,
      signal: stop.signal,
      onStarted: remember,
    },
    new Progress(process.stdout),
  );
  const roster = new Roster(processes, {
    ...spawning,
    stopping: stop.signal,
    onStarted: (started) => {
      remember(roster.processes);
      print(`${started.node.name} is started again (process ${started.pid})\n`);
      reportEnd(started, stop.signal);
    },
  });
  if (!stop.signal.aborted) {
    await using _ = await obeyCommands(dir, roster);
    print(`ready in ${formatTook(performance.now() - startedMs)}\n\n${whereTable(stack.nodes)}\n`);
    for (const one of processes) reportEnd(one, stop.signal);
    await using _console = await showConsole(stack, dir, options);
    if (options.demo) await showWays(stack, stop.signal);
    print(`${whatToTry(stack)}\nCtrl-C ends everything.\n`);
    await stop.asked;
  }
  const ended = countRunning(roster.processes);
  const killed = await endAll(roster.processes, endLimitMs);
  print(`ended ${formatCount(ended, "process")}${killed.length > 0 ? `; killed ${killed.join(", ")}` : ""}\n`);
  return hurried ? 1 : 0;
}

/** @throws {UsageError} if the stack of this folder is up, or its nodes still live */
async function refuseSecondStack(dir: string): Promise<void> {
  const run = readRun(dir);
  if (run && launcherLives(run))
    throw new UsageError(
      `a stack is already up here (launcher ${run.launcherPid}, since ${run.startedAt}): ${commandName()} down ends it`,
    );
  // Nodes whose launcher was killed are ending by themselves just now.
  if (run && !(await waitUntil(() => livingNodes(run).length === 0, endLimitMs)))
    throw new UsageError(
      `${livingNodes(run).length} processes of a launcher that is gone still run: ${commandName()} down ends them`,
    );
  removeRun(dir);
}

function argumentsOf(stack: Stack): string[] {
  return ["--topology", stack.file, ...(stack.scale === undefined ? [] : ["--scale", stack.scale])];
}

/** Says in one line when a process ends. It is not started again by itself: that would hide the fault. */
function reportEnd({ node, exited }: StackProcess, stopping: AbortSignal): void {
  void exited.then((exit) => {
    if (stopping.aborted) return;
    const target = targetNameOf(node);
    print(`${node.name} ${describeExit(exit)}; ${commandName()} chaos heal ${target} starts it again\n`);
  });
}

/** Lets `chaos heal` have nodes started again: by this process, so that they end with it as all others do. */
async function obeyCommands(dir: string, roster: Roster): Promise<AsyncDisposable> {
  try {
    return await listenControl(dir, (request) => roster.handle(request));
  } catch (error) {
    print(`chaos heal cannot start nodes again here: ${messageOf(error)}\n`);
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
}

/** Starts the web console and says where it is. The stack does not depend on it. */
async function showConsole(stack: Stack, dir: string, { console: listen }: UpOptions): Promise<AsyncDisposable> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (listen === false) return nothing;
  const started = await startConsole({ stateDir: dir, arguments: argumentsOf(stack), listen });
  if (typeof started === "string") {
    print(`no web console: ${started}\n\n`);
    return nothing;
  }
  print(`web console: ${started.url}\n\n`);
  return started;
}

const demoClients = ["DE", "US"];

/** Sends a client from each country and prints the way it took. */
async function showWays(stack: Stack, stopping: AbortSignal): Promise<void> {
  for (const from of demoClients) {
    if (stopping.aborted) return;
    try {
      const trace = await traceRequest(stack, { from, url: "/api/users", method: "GET", headers: [] });
      print(`${wayLines(trace).join("\n")}\n\n`);
    } catch (error) {
      print(`no client from ${from}: ${messageOf(error)}\n\n`);
    }
  }
}

function print(text: string): void {
  process.stdout.write(text);
}
