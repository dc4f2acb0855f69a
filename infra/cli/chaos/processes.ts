import { UsageError } from "#shared/core/error.ts";
import { commandName } from "../command-name.ts";
import { askLauncher } from "../stack/control.ts";
import { isPaused, livingNodes, readRun } from "../stack/state.ts";
import type { RunNode } from "../stack/state.ts";
import type { NodeState, Power } from "./power.ts";

/** Power over local processes: signals, and the launcher for what is to be started again.
 * @throws {UsageError} if nothing is up */
export function processPower(stateDir: string): Power {
  // Read anew each time: the launcher writes the process of a node that it has started again.
  const run = () => {
    const found = readRun(stateDir);
    if (!found) throw new UsageError(`nothing is up here: ${commandName()} up`);
    return found;
  };
  const living = (name: string): RunNode | undefined => livingNodes(run()).find((node) => node.name === name);
  const signal = (name: string, signal: NodeJS.Signals): Promise<boolean> => {
    const node = living(name);
    if (node) process.kill(node.pid, signal);
    return Promise.resolve(node !== undefined);
  };
  run();
  return {
    kill: ({ name }) => signal(name, "SIGKILL"),
    stop: ({ name }) => signal(name, "SIGTERM"),
    pause: ({ name }) => signal(name, "SIGSTOP"),
    cut: () => Promise.reject(new UsageError("cut needs containers")),
    async heal({ name }, isLeaving) {
      const node = living(name);
      if (node && isPaused(node.pid)) {
        process.kill(node.pid, "SIGCONT");
        return ["resumed"];
      }
      if (node && !(await isLeaving())) return [];
      const { pid } = await askLauncher(stateDir, { do: node ? "restart" : "start", node: name });
      return [`started again (process ${pid})`];
    },
    states: () => {
      const alive = new Map(livingNodes(run()).map(({ name, pid }) => [name, pid]));
      const stateOf = ({ name }: RunNode): NodeState => {
        const pid = alive.get(name);
        if (pid === undefined) return "gone";
        return isPaused(pid) ? "paused" : "running";
      };
      return Promise.resolve(new Map(run().nodes.map((node) => [node.name, stateOf(node)])));
    },
  };
}
