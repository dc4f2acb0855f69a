import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { NodeEvents } from "./events.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** Second octets in place of those of infra/topology.yaml, so that a stack under test and one of yours can run together. */
export interface Numbers {
  readonly nameServers: number;
  readonly euWest: number;
  readonly usEast: number;
}

/** The stack of infra/topology.yaml at other numbers, brought up by `./watershed up`. */
export interface TestStack extends AsyncDisposable {
  readonly topology: Topology;
  readonly topologyFile: string;
  readonly launcher: ChildProcess;
  /** Environment of commands that shall find this stack. */
  readonly env: NodeJS.ProcessEnv;
  /** What the launcher has printed so far. */
  output(): string;
  node(name: string): TopologyNode;
  /** Process ids by node name, as the launcher recorded them. */
  pids(): Promise<ReadonlyMap<string, number>>;
}

/** A stack has its console only where a test asks for it. */
function consoleOf(options: readonly string[]): string[] {
  return options.includes("--console") ? [] : ["--no-console"];
}

export async function startStack(numbers: Numbers, ...options: string[]): Promise<TestStack> {
  const folder = await mkdtemp(path.join(tmpdir(), "watershed-stack-"));
  const topologyFile = path.join(folder, "topology.yaml");
  const text = renumber(await readFile(path.join(root, "infra/topology.yaml"), "utf8"), numbers);
  await writeFile(topologyFile, text);
  const topology = parseConfig(text, "topology.yaml", topologySchema);
  const env = { ...process.env, WATERSHED_STATE_DIR: folder, NO_COLOR: "1" };
  const launcher = spawn(
    path.join(root, "watershed"),
    ["up", "--topology", topologyFile, ...consoleOf(options), ...options],
    {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  const ready = new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("Ctrl-C ends everything")) resolve();
    };
    launcher.stdout.on("data", onData);
    launcher.stderr.on("data", onData);
    launcher.once("exit", (code) => reject(new Error(`the launcher ended with ${code}:\n${output}`)));
  });
  await ready;
  return {
    topology,
    topologyFile,
    launcher,
    env,
    output: () => output,
    node(name) {
      const found = nodesOf(topology).find((node) => node.name === name);
      if (!found) throw new Error(`no node ${name}`);
      return found;
    },
    async pids() {
      const run = JSON.parse(await readFile(path.join(folder, "run.json"), "utf8")) as {
        nodes: { name: string; pid: number }[];
      };
      return new Map(run.nodes.map(({ name, pid }) => [name, pid]));
    },
    async [Symbol.asyncDispose]() {
      if (launcher.exitCode === null && launcher.signalCode === null) {
        launcher.kill("SIGINT");
        await once(launcher, "exit");
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Does something, and resolves once each of these nodes has said that it saw it. */
export async function seenBy(
  stack: TestStack,
  nodes: readonly string[],
  type: string,
  wanted: Readonly<Record<string, unknown>>,
  act: () => Promise<unknown>,
): Promise<void> {
  const streams = await Promise.all(nodes.map((node) => NodeEvents.of(stack.node(node).admin)));
  try {
    await act();
    await Promise.all(streams.map((events) => events.next(type, wanted)));
  } finally {
    await Promise.all(streams.map((events) => events[Symbol.asyncDispose]()));
  }
}

/** Whether a process still runs. One that has ended may keep its number until its parent asks how it ended: that one does
 * not run (proc(5), state Z), however long a slow init of a container takes to ask. */
export function isAlive(pid: number): boolean {
  if (process.platform !== "linux") return answersSignals(pid);
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !/^[ZX]/.test(status.slice(status.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function renumber(text: string, { nameServers, euWest, usEast }: Numbers): string {
  const replaced = text
    .replace(/^nameServers: 2$/m, `nameServers: 2\nnameServerNumber: ${nameServers}`)
    .replace("number: 11,", `number: ${euWest},`)
    .replace("number: 12,", `number: ${usEast},`);
  if (replaced.split("\n").length !== text.split("\n").length + 1) throw new Error("infra/topology.yaml has changed");
  return replaced;
}
