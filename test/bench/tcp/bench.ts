import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { isOnPath, loadCore, runLoad, serverCore } from "../programs.ts";
import type { PinnedServer } from "../programs.ts";
import { tableOf } from "../subject.ts";
import type { BenchOptions, BenchRow, BenchTable, Subject } from "../subject.ts";
import { forwarders, ours, startServers } from "./forwarders.ts";
import type { Forwarder } from "./forwarders.ts";

interface Load {
  readonly title: string;
  readonly program: string;
  /** The figure that is compared. */
  readonly key: string;
  measure(forwarder: Forwarder, folder: string, seconds: number, running: PinnedServer | undefined): Promise<Figures>;
}
type Figures = Readonly<Record<string, number>> | undefined;

const idleConnections = 6_000; // two descriptors each in a proxy: what a limit of 20,000 leaves room for
const insideName = "WATERSHED_BENCH_NAMESPACE";

async function wrk(address: string, target: string, connections: number, seconds: number, ...more: string[]) {
  const limits = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`];
  const printed = await runLoad("wrk", [...limits, ...more, `http://${address}${target}`]);
  const [, number = "", unit = ""] = /Transfer\/sec:\s+([\d.]+)(\w+)/.exec(printed) ?? [];
  const scale = { B: 1, KB: 1_024, MB: 1_048_576, GB: 1_073_741_824 }[unit] ?? Number.NaN;
  return { perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(printed)?.[1]), bytes: Number(number) * scale };
}

const requests: Load = {
  title: "Requests/s over 64 kept connections, 512 bytes each (wrk, nginx)",
  program: "wrk",
  key: "requests/s",
  async measure({ tcp }, _folder, seconds) {
    return { "requests/s": (await wrk(tcp, "/small", 64, seconds)).perSecond };
  },
};

const bulk: Load = {
  title: "One stream, files of 64 MiB (wrk, nginx)",
  program: "wrk",
  key: "GB/s",
  async measure({ tcp }, _folder, seconds) {
    return { "GB/s": (await wrk(tcp, "/large", 1, seconds)).bytes / 1e9 };
  },
};

const connects: Load = {
  title: "New connections/s, one request each (wrk with Connection: close)",
  program: "wrk",
  key: "connections/s",
  async measure({ tcp }, _folder, seconds) {
    return { "connections/s": (await wrk(tcp, "/small", 64, seconds, "-H", "Connection: close")).perSecond };
  },
};

const datagrams: Load = {
  title: "Datagrams/s each way, 8 clients (dnsperf, gdnsd)",
  program: "dnsperf",
  key: "datagrams/s",
  async measure({ udp }, folder, seconds) {
    if (udp === undefined) return undefined;
    const file = path.join(folder, "queries");
    await writeFile(file, "www.stream.test A\n".repeat(100));
    const [address = "", port = ""] = udp.split(":");
    const args = ["-s", address, "-p", port, "-d", file, "-l", String(seconds), "-c", "8", "-q", "500"];
    const printed = await runLoad("dnsperf", args);
    return {
      "datagrams/s": Number(/Queries per second:\s+([\d.]+)/.exec(printed)?.[1]),
      "lost %": Number(/Queries lost:\s+\d+ \(([\d.]+)%\)/.exec(printed)?.[1]),
    };
  },
};

const idle: Load = {
  title: `Memory of the process with ${idleConnections.toLocaleString("en")} idle connections`,
  program: "wrk",
  key: "MiB",
  async measure({ tcp }, _folder, _seconds, running) {
    if (!running) return undefined;
    const before = await running.memoryBytes();
    const sockets = await connectMany(tcp, idleConnections);
    const after = await running.memoryBytes();
    for (const socket of sockets) socket.destroy();
    return { MiB: after / 1_048_576, "KiB each": (after - before) / 1_024 / idleConnections };
  },
};

async function connectMany(address: string, count: number): Promise<net.Socket[]> {
  const { host = "", port = 0 } = parseSocketAddress(address) ?? {};
  const sockets: net.Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: 100 }, () => net.connect({ host, port }));
    await Promise.all(
      some.map((socket) =>
        once(
          socket.on("error", () => {}),
          "connect",
        ),
      ),
    );
    sockets.push(...some);
  }
  return sockets;
}

/** Where the forwarder runs. Load and servers have one core together. The kernel's part of the work on loopback is done by
 * whoever sends, so a core of its own is nothing to it: only the second placement shows what all of it costs. */
const placements = [
  { title: "forwarder on a core of its own", core: serverCore, loads: [requests, bulk, connects, datagrams, idle] },
  { title: "all on one core", core: loadCore, loads: [requests, bulk, connects, datagrams] },
] as const;

/** Measures every forwarder that is there, one at a time, in a network namespace of its own: no rule of this host is touched. */
export const benchTcp: Subject = (options) =>
  process.env[insideName] === undefined ? inNamespace(options) : measureAll(options);

function inNamespace({ seconds, only }: BenchOptions): Promise<readonly BenchTable[]> {
  const main = path.resolve(import.meta.dirname, "../main.ts");
  const which = only ? ["--only", only.join(",")] : [];
  const command = ["--net", process.execPath, main, "tcp", "--json", "--seconds", String(seconds), ...which];
  const { stdout, stderr, status } = spawnSync("unshare", command, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, [insideName]: "1" },
  });
  if (status !== 0) throw new Error(`needs a network namespace of its own (unshare --net, as root): ${stderr ?? ""}`);
  return Promise.resolve(JSON.parse(stdout) as BenchTable[]);
}

async function measureAll(options: BenchOptions): Promise<readonly BenchTable[]> {
  spawnSync("ip", ["link", "set", "lo", "up"]);
  const folder = await mkdtemp(path.join(tmpdir(), "watershed-bench-"));
  const servers = await startServers(folder);
  try {
    const tables: BenchTable[] = [];
    for (const { title, core, loads } of placements) {
      const rows = new Map<Load, BenchRow[]>(loads.map((load) => [load, []]));
      for (const forwarder of forwarders)
        for (const [load, figures] of await measure(forwarder, String(core), loads, folder, options))
          rows.get(load)?.push({ server: forwarder.name, figures });
      for (const load of loads) tables.push(tableOf(`${load.title}; ${title}`, rows.get(load) ?? [], ours, load.key));
    }
    return tables;
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  }
}

/** One forwarder under every load. */
async function measure(
  forwarder: Forwarder,
  core: string,
  loads: readonly Load[],
  folder: string,
  { seconds, isWanted, say }: BenchOptions,
): Promise<readonly (readonly [Load, Readonly<Record<string, number>>])[]> {
  if (!isWanted(forwarder.name)) return [];
  if (forwarder.program !== undefined && !isOnPath(forwarder.program)) {
    say(`${forwarder.name}: left out, ${forwarder.program} is not installed`);
    return [];
  }
  const own = path.join(folder, forwarder.name.replaceAll(/\W+/g, "-"));
  const running = await forwarder.start(own, core);
  const measured: [Load, Readonly<Record<string, number>>][] = [];
  try {
    await ready(forwarder, running);
    for (const load of loads) {
      if (!isOnPath(load.program)) continue;
      say(`${forwarder.name}: ${load.title}`);
      const figures = await load.measure(forwarder, folder, seconds, running);
      if (figures) measured.push([load, figures]);
    }
    return measured;
  } finally {
    await running?.[Symbol.asyncDispose]();
  }
}

async function ready({ tcp }: Forwarder, running: PinnedServer | undefined): Promise<void> {
  await running?.ready(async () => {
    const response = await fetch(`http://${tcp}/small`, { headers: { connection: "close" } });
    if (!response.ok) throw new Error(`status ${response.status}`);
    await response.text();
  });
}
