import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { clientAddressOf } from "#shared/topology/topology.ts";
import { run } from "../../docker/engine.ts";
import { commandName } from "../command-name.ts";
import { watershedIn } from "./argv.ts";
import { findContainers } from "./containers.ts";
import type { Container } from "./containers.ts";

const wayLimitMs = 30_000;

/** Runs `trace` in the container of the client that asks, so that its source address is real. Where its country has none
 * that runs, another client tells its subnet instead, and the trace says so.
 * @returns exit code of the trace */
export async function traceFromClient(topology: Topology, from: string, args: readonly string[]): Promise<number> {
  const { id } = await findClient(topology, from);
  const child = spawn("docker", watershedIn(id, ["trace", ...args], process.stdout.isTTY), { stdio: "inherit" });
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

/** The way of one request: the first lines of its trace.
 * @throws {UsageError} if there is no client */
export async function wayFromClient(topology: Topology, from: string, url: string): Promise<string> {
  const { id } = await findClient(topology, from);
  const output = await run("docker", watershedIn(id, ["trace", "--from", from, url], false), { limitMs: wayLimitMs });
  const [way = ""] = output.all.split("\n\n");
  return way.trimEnd();
}

async function findClient(topology: Topology, from: string): Promise<Container> {
  const { country } = clientAddressOf(topology, from, "containers");
  const client = chooseClient(await findContainers(), country);
  if (!client) throw new UsageError(`no client container is up: ${commandName()} up --docker`);
  return client;
}

/** The client of a country if it runs, else any. */
export function chooseClient(containers: readonly Container[], country: string | null): Container | undefined {
  const clients = containers.filter(({ service, state }) => service.startsWith("client-") && state === "running");
  return clients.find(({ service }) => service === `client-${country?.toLowerCase()}`) ?? clients[0];
}
