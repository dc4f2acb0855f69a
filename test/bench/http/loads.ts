import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { loadCore, runLoad } from "../programs.ts";
import type { PinnedServer } from "../programs.ts";

export const connections = 64;
export const idleConnections = 8_000; // a router keeps some of 20,000 descriptors, and two for each connection
export const largeBytes = 1_048_576;

/** What wrk says of a run. */
export interface Load {
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

const slices = 3;

/** As many requests as go through: the best of a few slices, since whatever else a machine does only takes away. */
export async function wrk(port: number, target: string, seconds: number, args: readonly string[] = []): Promise<Load> {
  const loads: Load[] = [];
  for (let i = 0; i < slices; i++) loads.push(await slice(port, target, Math.ceil(seconds / slices), args));
  return loads.reduce((best, load) => (load.requests > best.requests ? load : best));
}

async function slice(port: number, target: string, seconds: number, args: readonly string[]): Promise<Load> {
  const url = `http://127.0.0.1:${port}${target}`;
  const text = await runLoad("wrk", ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", ...args, url]);
  const requests = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0);
  const failed = /Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? "0";
  const broken = /connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  const errors = [failed, ...broken].reduce((sum, count) => sum + Number(count), 0);
  return { requests, p50Ms: latencyMs(text, 50), p99Ms: latencyMs(text, 99), errors };
}

function latencyMs(text: string, percent: number): number {
  const match = new RegExp(`\\s${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text);
  const factor = match?.[2] === "us" ? 0.001 : match?.[2] === "s" ? 1_000 : 1;
  return Number(match?.[1] ?? 0) * factor;
}

/** A fixed number of requests a second, and how long each took: a server that is late does not slow the clients down.
 * @returns undefined if h2load had nothing to say */
export async function paced(
  { port, folder }: { readonly port: number; readonly folder: string },
  requestsPerSecond: number,
  seconds: number,
): Promise<Omit<Load, "errors"> | undefined> {
  const log = path.join(folder, "latencies");
  await rm(log, { force: true });
  const rate = Math.max(1, Math.round(requestsPerSecond / connections));
  const args = ["--h1", "-c", String(connections), "-D", String(seconds), "--rps", String(rate), "--log-file", log];
  await runLoad("h2load", [...args, `http://127.0.0.1:${port}/json`]);
  // Each line: when it began, status, how long it took in microseconds.
  const lines = (await readFile(log, "utf8")).trim().split("\n");
  const tookMs = lines.map((line) => Number(line.split("\t")[2]) / 1_000).sort((a, b) => a - b);
  const at = (share: number) => tookMs[Math.floor(tookMs.length * share)];
  const [p50Ms, p99Ms] = [at(0.5), at(0.99)];
  if (p50Ms === undefined || p99Ms === undefined) return undefined;
  return { requests: tookMs.length / seconds, p50Ms, p99Ms };
}

/** What each connection costs that was used once and is kept: of a server that has carried nothing else yet. */
export async function idleMemory(server: PinnedServer, port: number): Promise<Record<string, number>> {
  await wrk(port, "/json", 2); // what the process itself grows by
  const before = await server.memoryBytes();
  const script = path.join(import.meta.dirname, "idle-clients.ts");
  const argv = ["-c", String(loadCore), process.execPath, script, String(port), String(idleConnections)];
  const clients = spawn("taskset", argv, { stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(clients, "exit");
  try {
    const isOpen = await Promise.race([once(clients.stdout, "data").then(() => true), exited.then(() => false)]);
    if (!isOpen) return {};
    await new Promise((resolve) => setTimeout(resolve, 500)); // until what was read is thrown away
    const bytes = Math.max(1, ((await server.memoryBytes()) - before) / idleConnections);
    return { "KiB each": bytes / 1_024, "connections a MB": 1e6 / bytes };
  } finally {
    clients.kill("SIGTERM");
    await exited;
  }
}
