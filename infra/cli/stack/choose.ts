import os from "node:os";
import path from "node:path";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { applyScale, clientAddressOf, nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { commandName } from "../command-name.ts";
import { launcherLives, projectDir, readRun, remembersContainers, stateDir } from "./state.ts";
import type { Run } from "./state.ts";

export const defaultTopology = path.join(projectDir, "infra", "topology.yaml");

/** Which stack a command is about. */
export interface StackChoice {
  readonly topology?: string | undefined;
  readonly scale?: string | undefined;
  /** The one in containers. */
  readonly docker?: boolean | undefined;
}

export interface Stack {
  readonly topology: Topology;
  readonly file: string;
  readonly scale: string | undefined;
  readonly runsIn: "processes" | "containers";
  /** With the addresses at which this command reaches them. */
  readonly nodes: readonly TopologyNode[];
  /** Address of the client container that this command runs in. */
  readonly clientAddress?: string | undefined;
}

/** The stack in containers where that is said, or it was brought up from here. Else the topology that the options name;
 * without them that of the stack that is up; without one infra/topology.yaml.
 * @throws {UsageError} with every error of the file, or for another scale than the stack that is up has */
export async function chooseStack(choice: StackChoice): Promise<Stack> {
  const run = runOf(choice);
  if (choice.docker || (!run && isAboutContainers(choice))) return containerStack(choice);
  const file = path.resolve(choice.topology ?? run?.topology ?? defaultTopology);
  const scale = chosenScale(choice.scale, run);
  const topology = loadConfig(file, topologySchema);
  const clientAddress = ownClientAddress(topology);
  if (clientAddress !== undefined) {
    const nodes = nodesOf(topology, "containers");
    return { topology, file, scale, runsIn: "containers", nodes, clientAddress };
  }
  const scaled = applyScale(topology, scale);
  return { topology: scaled, file, scale, runsIn: "processes", nodes: nodesOf(scaled) };
}

/** The stack that is up, if it is the one that is meant. */
function runOf({ topology }: StackChoice): Run | undefined {
  const run = readRun(stateDir());
  return topology === undefined || path.resolve(topology) === run?.topology ? run : undefined;
}

/** @throws {UsageError} if the stack that is up has another one */
function chosenScale(scale: string | undefined, run: Run | undefined): string | undefined {
  if (scale === undefined) return run?.scale ?? undefined;
  if (run && run.scale !== scale && launcherLives(run)) throw new UsageError(otherScale(scale, run.scale));
  return scale;
}

function otherScale(wanted: string, running: string | null): string {
  const is = running === null ? "without a scale" : `at scale ${running}`;
  return `the stack that is up here runs ${is}, not at ${wanted}: leave out --scale, or ${commandName()} down first`;
}

function isAboutContainers({ topology, scale }: StackChoice): boolean {
  return topology === undefined && scale === undefined && remembersContainers(stateDir());
}

/** @throws {UsageError} for a topology or scale: docker-compose.yml is made of infra/topology.yaml */
export async function containerStack(choice: StackChoice): Promise<Stack> {
  if (choice.topology !== undefined || choice.scale !== undefined)
    throw new UsageError(
      "--docker takes no --topology and no --scale: docker-compose.yml is infra/topology.yaml, by npm run compose",
    );
  const topology = loadConfig(defaultTopology, topologySchema);
  // Only here: the image of the clients holds the command line, and nothing that makes containers.
  const { reachFromHost } = await import("../docker/reach.ts");
  const nodes = await reachFromHost(topology);
  return { topology, file: defaultTopology, scale: undefined, runsIn: "containers", nodes };
}

/** The address of a client of the stack in containers, if this runs in its container. */
function ownClientAddress(topology: Topology): string | undefined {
  if (!process.env["WATERSHED_ADMIN_TOKEN_FILE"]) return undefined; // Elsewhere 10.0.0.0/8 may be anybody's.
  const own = Object.values(os.networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const ours = new Set(own.map(({ address }) => address));
  const clients = Object.keys(topology.testClients).map((country) => clientAddressOf(topology, country, "containers"));
  return clients.find(({ address }) => ours.has(address))?.address;
}
