import { TrafficError, UsageError, messageOf } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { deleteAdmin, putAdmin } from "../admin-client.ts";
import { commandName } from "../command-name.ts";
import { askLauncher } from "../stack/control.ts";
import { isPaused, livingNodes, readRun } from "../stack/state.ts";
import type { RunNode } from "../stack/state.ts";
import { ordersOf } from "./cut.ts";
import type { CutOrder } from "./cut.ts";
import type { NodeState, Power } from "./power.ts";

const adminLimitMs = 2_000;

/** Power over local processes: signals, the launcher for what is to be started again, and the admin API for cuts.
 * @throws {UsageError} if nothing is up */
export function processPower(stateDir: string, nodes: readonly TopologyNode[]): Power {
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
    async cut(node, networks) {
      const process = living(node.name);
      if (!process) return "was not running";
      if (isPaused(process.pid)) throw new UsageError(`${node.name} is paused, and takes no order: heal it first`);
      const [own, ...others] = ordersOf(node, networks, nodes);
      if (own) await order(own, node.name);
      // Who is held or gone takes no order; packets of the node are dropped by itself too.
      await Promise.all(others.map((one) => order(one, node.name).catch(() => {})));
      return `cut off from ${networks.join(" and ")}: dials time out, connections are silent (at the sockets of the processes)`;
    },
    async heal({ name }, isLeaving) {
      const node = living(name);
      const done: string[] = [];
      if (node && isPaused(node.pid)) {
        process.kill(node.pid, "SIGCONT");
        done.push("resumed");
      }
      if (await endCut(name, nodes)) done.push("in reach again");
      if (done.includes("resumed") || (node && !(await isLeaving()))) return done;
      const { pid } = await askLauncher(stateDir, { do: node ? "restart" : "start", node: name });
      return [...done, `started again (process ${pid})`];
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

const cutPath = (name: string): string => `/cuts/${encodeURIComponent(name)}`;

/** @param name of the node that is cut off */
async function order({ node, from, except }: CutOrder, name: string): Promise<void> {
  const fail = (why: string) => new TrafficError("UPSTREAM_INVALID", `${node.name}: ${why}`, { origin: "upstream" });
  const reply = await putAdmin(node.admin, cutPath(name), { from, except }, adminLimitMs).catch((error: unknown) => {
    throw fail(messageOf(error));
  });
  if (reply.status !== 200) throw fail(`${reply.status} ${reply.text.trim().slice(0, 300)}`);
}

/** Has all nodes forget the cut of one of them: whoever was held when it was ordered may know of it or not.
 * @returns whether somebody did */
async function endCut(name: string, nodes: readonly TopologyNode[]): Promise<boolean> {
  const ended = await Promise.all(
    nodes.map(async ({ admin }) => {
      const reply = await deleteAdmin(admin, cutPath(name), adminLimitMs).catch(() => undefined);
      return reply?.status === 200;
    }),
  );
  return ended.includes(true);
}
