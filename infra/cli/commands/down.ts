import {
  forgetContainers,
  launcherLives,
  livingNodes,
  readRun,
  remembersContainers,
  removeRun,
  stateDir,
} from "../stack/state.ts";
import type { Run } from "../stack/state.ts";
import { formatCount } from "../text.ts";
import { waitUntil } from "../stack/wait.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const launcherLimitMs = 10_000; // it gives its processes 5 s
const nodesLimitMs = 5_000;

export const addDown: AddCommand = (program, exitWith) => {
  const command = program
    .command("down")
    .description("ends the stack that was brought up from here, processes and containers")
    .option("--docker", "the containers, whoever brought them up")
    .action(async ({ docker }: { docker?: boolean }) => {
      const dir = stateDir();
      const inContainers = docker || remembersContainers(dir);
      if (inContainers) exitWith(await downContainers(dir));
      if (!docker && (!inContainers || readRun(dir))) exitWith(await down(dir));
    });
  example(command, "down");
};

/** Ends the containers of this folder, and removes their networks and the token. */
async function downContainers(dir: string): Promise<number> {
  const { endContainers } = await import("../docker/down.ts");
  const ended = await endContainers();
  forgetContainers(dir);
  return say(ended === 0 ? "no containers are here" : `ended the stack (${ended} containers)`);
}

async function down(dir: string): Promise<number> {
  const run = readRun(dir);
  if (!run) {
    removeRun(dir); // It may be there and be no run.
    return say("nothing is running here");
  }
  const lived = launcherLives(run);
  const ended = livingNodes(run).length;
  if (lived) await endLauncher(run);
  const left = await endNodes(run, lived);
  removeRun(dir);
  if (lived && left === 0)
    return say(`ended the stack (launcher ${run.launcherPid}, ${formatCount(ended, "process")})`);
  if (left > 0)
    return say(`the launcher ${run.launcherPid} was gone; ended ${formatCount(left, "process")} that it left`);
  return say(`nothing is running any more; removed what the launcher ${run.launcherPid} left`);
}

async function endLauncher(run: Run): Promise<void> {
  kill(run.launcherPid, "SIGTERM");
  if (await waitUntil(() => !launcherLives(run), launcherLimitMs)) return;
  kill(run.launcherPid, "SIGKILL");
  await waitUntil(() => !launcherLives(run), nodesLimitMs);
}

/** Ends the nodes whose launcher is gone. Those that are just ending by themselves are waited for first.
 * @returns how many had to be ended */
async function endNodes(run: Run, launcherWasThere: boolean): Promise<number> {
  if (launcherWasThere && (await waitUntil(() => livingNodes(run).length === 0, nodesLimitMs))) return 0;
  const nodes = livingNodes(run);
  for (const node of nodes) kill(node.pid, "SIGINT");
  if (!(await waitUntil(() => livingNodes(run).length === 0, nodesLimitMs)))
    for (const node of livingNodes(run)) kill(node.pid, "SIGKILL");
  return nodes.length;
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}

function say(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}
