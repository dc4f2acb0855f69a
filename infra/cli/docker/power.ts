import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { attachmentsOf, networksOf } from "../../docker/networks.ts";
import type { NodeState, Power } from "../chaos/power.ts";
import {
  connectNetwork,
  disconnectNetwork,
  killContainer,
  pauseContainer,
  restartContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from "./argv.ts";
import { docker, findContainers } from "./containers.ts";
import type { Container } from "./containers.ts";
import { commandName } from "../command-name.ts";

/** Power over the containers of the stack.
 * @throws {UsageError} if none is there */
export async function containerPower(topology: Topology): Promise<Power> {
  const networks = networksOf(topology);
  const attachments = new Map(
    nodesOf(topology, "containers").map((node) => [node.name, attachmentsOf(node, networks)] as const),
  );
  const containers = async (): Promise<ReadonlyMap<string, Container>> => {
    const found = await findContainers();
    return new Map(found.flatMap((container) => (container.node === null ? [] : [[container.node, container]])));
  };
  if ((await containers()).size === 0)
    throw new UsageError(`no containers of the stack are here: ${commandName()} up --docker`);
  const containerOf = async (name: string): Promise<Container> => {
    const container = (await containers()).get(name);
    if (!container) throw new UsageError(`${name} has no container: ${commandName()} up --docker`);
    return container;
  };
  const whileIn = async (states: readonly string[], name: string, args: (id: string) => string[]): Promise<boolean> => {
    const { id, state } = await containerOf(name);
    if (!states.includes(state)) return false;
    await docker(args(id));
    return true;
  };
  return {
    kill: ({ name }) => whileIn(["running", "paused"], name, killContainer),
    stop: ({ name }) => whileIn(["running"], name, stopContainer),
    pause: ({ name }) => whileIn(["running"], name, pauseContainer),
    async cut({ name }, keys) {
      const { id, networks: joined } = await containerOf(name);
      for (const key of keys) if (joined.includes(key)) await docker(disconnectNetwork(key, id));
      return `cut off from ${keys.join(" and ")}: packets are dropped (docker network disconnect)`;
    },
    async heal({ name }, isLeaving) {
      const { id, state, networks: joined } = await containerOf(name);
      const done: string[] = [];
      for (const [key, address] of missingNetworks(attachments.get(name), joined)) {
        await docker(connectNetwork(key, id, address)); // First: what is started binds its addresses.
        done.push(`connected to ${key} again`);
      }
      if (state === "paused") {
        await docker(unpauseContainer(id));
        return [...done, "resumed"];
      }
      if (state === "running" && !(await isLeaving())) return done;
      await docker(state === "running" ? restartContainer(id) : startContainer(id));
      return [...done, "started again"];
    },
    async states() {
      return new Map(
        Array.from(
          await containers(),
          ([name, container]) => [name, stateOf(container, attachments.get(name))] as const,
        ),
      );
    },
  };
}

type Attachments = ReadonlyMap<string, string>;

/** Networks that a node should be in and is not, with its address there. */
export function missingNetworks(attachments: Attachments | undefined, joined: readonly string[]): [string, string][] {
  return [...(attachments ?? [])].filter(([key]) => !joined.includes(key));
}

function stateOf({ state, networks }: Container, attachments: Attachments | undefined): NodeState {
  if (state === "paused") return "paused";
  if (state !== "running") return "gone";
  return missingNetworks(attachments, networks).length > 0 ? "cut" : "running";
}
