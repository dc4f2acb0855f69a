import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { postAdmin } from "../admin-client.ts";
import { TrafficError, UsageError } from "#shared/core/error.ts";
import { waitReady } from "../stack/ready.ts";
import { endAll, programOf, watchProcess } from "../stack/spawn.ts";
import type { StackProcess } from "../stack/spawn.ts";
import { compileCacheDir, projectDir, stateDir } from "../stack/state.ts";

const startMs = 20_000;
const endMs = 2_000;
const adminMs = 2_000;
const networks = 250; // 127.230.1 to 127.230.250: no region or country has 230, so that stack and fleets do not meet
const clientsMax = 250;

/** Services of a fleet, each with the config that its file would hold; `admin` is added. */
export interface FleetNode {
  readonly name: string;
  readonly service: "origin" | "l4-forwarder" | "l7-router";
  readonly config: Readonly<Record<string, unknown>>;
}

/** A small fleet of real processes on loopback, for one measurement. */
export interface Fleet extends AsyncDisposable {
  /** "address:port" of the admin API of a node. */
  readonly admin: (node: string) => string;
  /** Writes the config of a node anew and has it taken. */
  readonly reconfigure: (node: string, config: Readonly<Record<string, unknown>>) => Promise<void>;
  /** A POST to the admin API of a node; anything but 200 is an error. */
  readonly post: (node: string, path: string) => Promise<void>;
}

/** Addresses of one fleet, in a network of its own. */
export interface FleetAddresses {
  /** Where its nodes and servers listen. */
  readonly host: string;
  /** Sources of its clients: 127.231.N.1 up. */
  readonly client: (index: number) => string;
}

const lockPort = 7_899;

/** The first network of 127.230.0.0/16 that no other process measures in: it is this process's until it ends.
 * @throws {UsageError} if all are taken, or this machine has no such addresses */
async function claimNetwork(): Promise<number> {
  for (let i = 0; i < networks; i++) {
    const network = ((process.pid + i) % networks) + 1;
    const lock = net.createServer();
    const taken = await new Promise((resolve) => {
      lock.once("error", resolve);
      lock.listen(lockPort, `127.230.${network}.1`, () => resolve(undefined));
    });
    if (taken !== undefined) continue;
    lock.unref();
    return network;
  }
  throw new UsageError(
    "no address of 127.230.0.0/16 is free on this machine: measurements need Linux's whole loopback",
  );
}

let claimed: Promise<number> | undefined;

export async function fleetAddresses(): Promise<FleetAddresses> {
  const network = await (claimed ??= claimNetwork());
  return {
    host: `127.230.${network}.1`,
    client: (index) => `127.231.${network}.${(index % clientsMax) + 1}`,
  };
}

const adminPort = 7_900;

/** Starts every node, and resolves once all are ready.
 * @throws {StartError} naming the first that did not come up */
export async function startFleet({ host }: FleetAddresses, nodes: readonly FleetNode[]): Promise<Fleet> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-lesson-"));
  const admins = new Map(nodes.map(({ name }, i) => [name, `${host}:${adminPort + i}`]));
  const admin = (node: string) => admins.get(node) ?? "";
  const write = ({ name, config }: Pick<FleetNode, "name" | "config">) =>
    fs.writeFileSync(path.join(folder, `${name}.yaml`), JSON.stringify({ ...config, admin: admin(name) })); // JSON is YAML
  for (const node of nodes) write(node);
  const processes = nodes.map((node) => startOne(node, folder, admin(node.name)));
  const end = async () => {
    await endAll(processes, endMs);
    fs.rmSync(folder, { recursive: true, force: true });
  };
  try {
    await waitReady(processes, { limitMs: startMs, onProgress: () => {} });
  } catch (error) {
    await end();
    throw error;
  }
  const post = async (node: string, to: string) => {
    const { status, text } = await postAdmin(admin(node), to, adminMs);
    if (status !== 200)
      throw new TrafficError("UPSTREAM_INVALID", `${node}: POST ${to}: ${status} ${text}`, { origin: "internal" });
  };
  return {
    admin,
    post,
    async reconfigure(name, config) {
      write({ name, config });
      await post(name, "/reload");
    },
    [Symbol.asyncDispose]: end,
  };
}

function startOne({ name, service }: FleetNode, folder: string, admin: string): StackProcess {
  const file = path.join(folder, `${name}.log`);
  const log = fs.openSync(file, "w");
  try {
    const child = spawn(process.execPath, [programOf(service), "--config", path.join(folder, `${name}.yaml`)], {
      cwd: projectDir,
      stdio: ["ignore", log, log, "ipc"], // It ends itself when this process is gone.
      detached: true,
      env: { ...process.env, NODE_COMPILE_CACHE: compileCacheDir(stateDir(), service) },
    });
    return watchProcess({ name, service, admin }, child, file);
  } finally {
    fs.closeSync(log);
  }
}
