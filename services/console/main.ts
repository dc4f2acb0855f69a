import { randomBytes, randomUUID } from "node:crypto";
import fs from "node:fs";
import type net from "node:net";
import path from "node:path";
import { createAdaptorServer } from "@hono/node-server";
import { Command, CommanderError } from "commander";
import { loadConfig } from "#shared/config/load.ts";
import { balanceNames } from "#shared/config/schema/common.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { countries } from "#shared/geo/countries.ts";
import { ConnectionLimit } from "#shared/net/connection-limit.ts";
import { Cuts } from "#shared/net/cuts.ts";
import { listenServer } from "#shared/net/listen.ts";
import { adminToken } from "#shared/server/token.ts";
import { applyScale, clientAddressOf, nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { consoleApp } from "./app.ts";
import { runCommand } from "./command-line.ts";
import { Commands } from "./commands.ts";
import { TrafficGenerator } from "./generator.ts";
import type { Session } from "./model.ts";
import { buildPage } from "./page-files.ts";
import { StackState } from "./state/stack-state.ts";

const connectionsMax = 256; // pages with several requests each

interface Options {
  readonly topology: string;
  readonly scale?: string;
  readonly listen: string;
  readonly cache: string;
}

/** Starts the web console of a stack.
 * @throws {UsageError} for a topology that is wrong, or an address that is taken, or not loopback while no token is set */
async function start(options: Options): Promise<void> {
  const topology = applyScale(loadConfig(options.topology, topologySchema), options.scale);
  const token = adminToken();
  const host = parseSocketAddress(options.listen)?.host;
  if (host === undefined) throw new UsageError(`--listen ${options.listen}: expected ADDRESS:PORT`);
  if (!token && parseAddress(host)?.[0] !== 127 && host !== "::1")
    throw new UsageError(
      `--listen ${options.listen} is not loopback: set WATERSHED_ADMIN_TOKEN, or listen on 127.0.0.1`,
    );
  const nodes = nodesOf(topology);
  fs.mkdirSync(options.cache, { recursive: true });
  const pageDir = await buildPage(options.cache);
  const stop = new AbortController();
  const generator = new TrafficGenerator({ topology, nodes });
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const ask = (node: TopologyNode, target: string, init: Omit<RequestInit, "headers">) =>
    fetch(`http://${node.admin}${target}`, { ...init, headers });
  const state = new StackState(
    topology,
    nodes,
    async (node, target, signal) => {
      const reply = await ask(node, target, { signal });
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      return reply;
    },
    () => generator.view(),
  );
  const commands = new Commands({
    nodes,
    state,
    generator,
    change: (node, method, target, body, signal) =>
      ask(node, target, { method, signal, ...(body !== undefined && { body: JSON.stringify(body) }) }),
  });
  let kept: ReturnType<typeof readTargets> | undefined;
  const targets = async () => {
    const read = await (kept ??= readTargets());
    if (read.drillsLimitedBy !== null) kept = undefined; // Asked again by the next page.
    return read;
  };
  const session = async (): Promise<Omit<Session, "token">> => ({
    dnsZone: topology.dnsZone,
    countries: Object.fromEntries(Object.keys(topology.testClients).map((code) => [code, clientIn(topology, code)])),
    algorithms: balanceNames,
    ...(await targets()),
  });
  const app = consoleApp({
    state,
    commands,
    pageDir,
    session,
    adminToken: token,
    ownToken: randomBytes(24).toString("base64url"),
    runId: randomUUID().slice(0, 8),
  });
  const server = createAdaptorServer({ fetch: (request, bindings) => app.fetch(request, bindings) }) as net.Server;
  const limit = new ConnectionLimit(connectionsMax);
  const { address } = await listenServer(server, options.listen, limit, undefined, new Cuts());
  process.stdout.write(`console: http://${address}/\n`);
  const end = () => {
    stop.abort();
    void generator.stop().finally(() => process.exit(0));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  process.on("disconnect", end); // Its launcher is gone.
  await state.run(stop.signal);
}

function clientIn(topology: Topology, code: string): Session["countries"][string] {
  const [, latitude, longitude] = countries[code] ?? [];
  const location = latitude === undefined || longitude === undefined ? null : ([latitude, longitude] as const);
  return { address: clientAddressOf(topology, code).address, location };
}

/** What may be hit, as the command line says. */
async function readTargets(): Promise<Pick<Session, "targets" | "drillsLimitedBy">> {
  const { code, output } = await runCommand(["chaos", "list", "--json"]).catch((error: unknown) => {
    return { code: 2, output: messageOf(error) };
  });
  if (code !== 0) return { targets: [], drillsLimitedBy: output.trim().split("\n").at(-1) ?? "" };
  const listed = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Session["targets"][number]);
  return { targets: listed.map(({ kind, name, verbs }) => ({ kind, name, verbs })), drillsLimitedBy: null };
}

const program = new Command("console")
  .description("the web console of a stack: see every tier decide, break it, watch it heal")
  .option(
    "--topology <file>",
    "the topology of the stack",
    path.resolve(import.meta.dirname, "../../infra/topology.yaml"),
  )
  .option("--scale <name>", "scale of the topology, as the stack was started with")
  .option("--listen <address:port>", "where the console is", "127.0.0.1:8900")
  .option(
    "--cache <folder>",
    "where the built page is kept",
    path.resolve(import.meta.dirname, "../../.watershed/console"),
  )
  .exitOverride();

try {
  await start(program.parse().opts<Options>());
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
  const usage = error instanceof UsageError;
  process.stderr.write(`error: ${usage || !(error instanceof Error) ? messageOf(error) : error.stack}\n`);
  process.exit(usage ? 2 : 1);
}
