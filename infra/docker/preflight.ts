// What must be so before the stack can start in containers. Run alone it says so, one line a problem.
import dgram from "node:dgram";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { askDocker, composeCommand, engineVersion, run } from "./engine.ts";
import { recipes } from "./inputs.ts";
import { isIn, networksOf } from "./networks.ts";
import type { ContainerNetwork } from "./networks.ts";
import { publishedPorts } from "./ports.ts";

/** One line for each thing that keeps the stack from starting, with how to mend it; none if it can start. */
export async function preflight(topology: Topology): Promise<string[]> {
  const missing = [...(await problemOf(engineVersion())), ...(await problemOf(composeCommand()))];
  if (missing.length > 0) return missing;
  const networks = networksOf(topology);
  const own = await ownNetworks(networks);
  return [
    ...(await missingImages()),
    ...overlaps(networks, await routesOfHost(), own),
    ...hiddenResolvers(networks, resolversOfHost()),
    // Ports of a stack that is up are its own; Compose starts what is missing of it.
    ...(own.length > 0 ? [] : await takenPorts(topology)),
  ];
}

async function problemOf(check: Promise<unknown>): Promise<string[]> {
  try {
    await check;
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

async function missingImages(): Promise<string[]> {
  const found = await Promise.all(
    recipes.map(async ({ tag }) => ((await askDocker("image", "inspect", tag)).code === 0 ? [] : [tag])),
  );
  const missing = found.flat();
  return missing.length > 0 ? [`missing images: ${missing.join(", ")}: npm run images builds them`] : [];
}

/** Devices of the networks of the stack that are there already. */
async function ownNetworks(networks: readonly ContainerNetwork[]): Promise<string[]> {
  const names = new Set(networks.map(({ key }) => `watershed-${key}`));
  const { stdout } = await askDocker("network", "ls", "--format", "{{.ID}} {{.Name}}");
  return stdout.split("\n").flatMap((line) => {
    const [id, name] = line.split(" ");
    return id && name && names.has(name) ? [`br-${id}`] : []; // as the engine names bridges
  });
}

const routeSchema = z.array(z.looseObject({ dst: z.string(), dev: z.string().optional() }));
type Route = z.output<typeof routeSchema>[number];

/** Routes of the host; none where there is no `ip`: on macOS the networks live in a machine of their own. */
async function routesOfHost(): Promise<Route[]> {
  const output = await run("ip", ["-json", "-4", "route"], { limitMs: 5_000 }).catch(() => undefined);
  return output?.code === 0 ? routeSchema.parse(JSON.parse(output.stdout || "[]")) : [];
}

const widePrefixMax = 7; // a VPN that takes everything: more special routes win over it

const move = "containers.firstOctet in infra/topology.yaml moves the stack (then npm run compose)";

/** Networks of the stack that hide a network of the host, or the other way about. */
export function overlaps(
  networks: readonly ContainerNetwork[],
  routes: readonly Route[],
  ownDevices: readonly string[],
): string[] {
  return networks.flatMap(({ key, subnet }) =>
    routes.flatMap(({ dst, dev = "?" }) => {
      if (dst === "default" || ownDevices.includes(dev)) return [];
      if (Number(dst.split("/")[1] ?? 32) <= widePrefixMax) return [];
      if (!isIn(dst, subnet) && !isIn(subnet, dst)) return [];
      return [`network ${key} (${subnet}) overlaps the route ${dst} of ${dev}: remove the route, or ${move}`];
    }),
  );
}

/** Name servers of the host that it could no longer reach. */
export function hiddenResolvers(networks: readonly ContainerNetwork[], resolvers: readonly string[]): string[] {
  return networks.flatMap(({ key, subnet }) =>
    resolvers.flatMap((address) =>
      isIn(address, subnet) ? [`network ${key} (${subnet}) would hide the host's name server ${address}: ${move}`] : [],
    ),
  );
}

function resolversOfHost(): string[] {
  try {
    const lines = readFileSync("/etc/resolv.conf", "utf8").split("\n");
    return lines.flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? []);
  } catch {
    return []; // Names are found another way here.
  }
}

/** Ports of 127.0.0.1 that somebody else listens on. */
async function takenPorts(topology: Topology): Promise<string[]> {
  const wanted = Array.from(publishedPorts(topology).values()).flat();
  const taken = await Promise.all(
    wanted.flatMap(({ port, protocols }) =>
      protocols.map(async (protocol) => ((await isFree(port, protocol)) ? [] : [`${port} (${protocol})`])),
    ),
  );
  const list = taken.flat().join(", ");
  return list === "" ? [] : [`ports of 127.0.0.1 are taken: ${list}: end who listens there (ss -tulpn)`];
}

export async function isFree(port: number, protocol: "tcp" | "udp"): Promise<boolean> {
  try {
    if (protocol === "tcp") {
      const listener = await listenTcp({ address: `127.0.0.1:${port}`, onConnection: (socket) => socket.destroy() });
      await listener.close();
    } else await bindOnce(port);
    return true;
  } catch {
    return false;
  }
}

function bindOnce(port: number): Promise<void> {
  const socket = dgram.createSocket("udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", (error) => {
      socket.close();
      reject(error);
    });
    socket.bind(port, "127.0.0.1", () => socket.close(() => resolve()));
  });
}

if (import.meta.main) {
  const file = process.argv[2] ?? new URL("../topology.yaml", import.meta.url).pathname;
  let problems: string[];
  try {
    problems = await preflight(loadConfig(file, topologySchema));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    problems = [error.message];
  }
  process.stderr.write(problems.map((line) => `${line}\n`).join(""));
  process.exitCode = problems.length > 0 ? 2 : 0;
}
