import { once } from "node:events";
import { chmod, mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { PinnedServer, isOnPath, loadCore } from "../programs.ts";
import { tableOf } from "../subject.ts";
import type { BenchOptions, BenchRow, BenchTable } from "../subject.ts";
import { contenders, ours, put } from "./contenders.ts";
import type { Contender } from "./contenders.ts";
import { connections, idleConnections, idleMemory, largeBytes, paced, wrk } from "./loads.ts";
import { nginxBackend } from "./peers.ts";
import type { Ports } from "./peers.ts";

type Table = "small" | "half" | "fresh" | "large" | "idle";
type Rows = Record<Table, BenchRow[]>;

/** One proxy after the other on one core; the load and an nginx that answers on the other. */
export async function benchHttp({ seconds, isWanted, say }: BenchOptions): Promise<readonly BenchTable[]> {
  for (const program of ["wrk", "nginx"]) if (!isOnPath(program)) throw new Error(`${program} is not installed`);
  const folder = await mkdtemp(path.join(tmpdir(), "watershed-bench-"));
  const rows: Rows = { small: [], half: [], fresh: [], large: [], idle: [] };
  try {
    await chmod(folder, 0o755); // nginx reads as another user
    await mkdir(path.join(folder, "large"));
    await writeFile(path.join(folder, "large/body"), Buffer.alloc(largeBytes, "x"));
    const ports = { proxy: await freePort(), backend: await freePort() };
    const backendConfig = await put(folder, "backend.conf", nginxBackend(ports, folder));
    await using backend = new PinnedServer(["nginx", "-c", backendConfig], { core: String(loadCore) });
    await backend.ready(() => connectTo(ports.backend));
    for (const contender of contenders) {
      if (!isWanted(contender.name) || (contender.needs !== undefined && !isOnPath(contender.needs))) continue;
      say(contender.name);
      await measure(contender, { folder, ports, seconds }, rows);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return [
    tableOf(`${connections} kept-alive connections, small JSON answers`, rows.small, ours, "requests/s"),
    tableOf("The same at half of each one's own rate", rows.half, ours, "1 ÷ p99"),
    tableOf("A new connection for every request", rows.fresh, ours, "requests/s"),
    tableOf("Bodies of 1 MiB", rows.large, ours, "GB/s"),
    tableOf(`${idleConnections} idle kept-alive connections`, rows.idle, ours, "connections a MB"),
  ];
}

interface Setting {
  readonly folder: string;
  readonly ports: Ports;
  readonly seconds: number;
}

async function measure(contender: Contender, setting: Setting, rows: Rows): Promise<void> {
  const { folder, ports, seconds } = setting;
  const { proxy: port } = ports;
  const note = (table: Table, figures: Readonly<Record<string, number>>) =>
    void rows[table].push({ server: contender.name, figures });
  const start = async () => {
    const server = new PinnedServer(await contender.argv(folder, ports));
    await server.ready(() => connectTo(port));
    return server;
  };
  {
    await using server = await start();
    note("idle", await idleMemory(server, port));
  }
  await using _server = await start();
  await wrk(port, "/json", 2); // warm
  const small = await wrk(port, "/json", seconds);
  note("small", { "requests/s": small.requests, "p50 ms": small.p50Ms, "p99 ms": small.p99Ms, errors: small.errors });
  const half = isOnPath("h2load") ? await paced({ port, folder }, small.requests / 2, seconds) : undefined;
  if (half) {
    const { requests, p50Ms, p99Ms } = half;
    note("half", { "requests/s": requests, "p50 ms": p50Ms, "p99 ms": p99Ms, "1 ÷ p99": 1 / p99Ms });
  }
  const fresh = await wrk(port, "/json", seconds, ["-H", "Connection: close"]);
  note("fresh", { "requests/s": fresh.requests, "p99 ms": fresh.p99Ms });
  const large = await wrk(port, "/large/body", seconds);
  note("large", { "GB/s": (large.requests * largeBytes) / 1e9, errors: large.errors });
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function connectTo(port: number): Promise<void> {
  const socket = net.connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}
