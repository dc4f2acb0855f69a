import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import { PinnedServer, isOnPath, runLoad } from "../programs.ts";
import { tableOf } from "../subject.ts";
import type { BenchOptions, BenchRow, Subject } from "../subject.ts";
import { geoip2Country } from "./geoip2.ts";
import { dnsServers, host, ours } from "./servers.ts";
import type { DnsServer } from "./servers.ts";

const answerMsMax = 2_000;
const calidnsFirstRate = 10_000;
const calidnsQueries = 10_000; // it wants a file that it does not come to the end of

interface Load {
  readonly title: string;
  readonly program: string;
  /** Servers that do not take part: they do not answer such queries, or it would say nothing of them. */
  readonly without?: readonly string[];
  measure(
    server: DnsServer,
    running: PinnedServer,
    folder: string,
    seconds: number,
  ): Promise<Readonly<Record<string, number>>>;
}

/** A new random client subnet in every query: no cache of answers helps. */
const subnets: Load = {
  title: "A of a steered name, a random client subnet in every query (calidns --ecs)",
  program: "calidns",
  without: ["watershed, 2 workers"],
  async measure({ port }, _running, folder) {
    const queries = await writeQueries(folder, Array<string>(calidnsQueries).fill("www.stream.test A"));
    // It raises the rate step by step, until more than a tenth gets lost; the best step counts.
    const args = ["--ecs", "0.0.0.0/0", "--increment", "1.2", "--minimum-success-rate", "90"];
    const printed = await runLoad(
      "calidns",
      [...args, queries, `${host}:${port}`, String(calidnsFirstRate), "100"],
      /rate reached before failing/,
    );
    const rates = Array.from(printed.matchAll(/adjusted received rate ([\d.]+) qps/g), ([, rate]) => Number(rate));
    const qps = Math.max(0, ...rates);
    return { "queries/s": qps };
  },
};

/** What a name server of a site sees: mostly addresses, some HTTPS, some names and types that are not there. */
const mix: Load = {
  title: "A realistic mix without client subnets (dnsperf)",
  program: "dnsperf",
  without: ["dns2 + maxmind"],
  async measure({ port }, running, folder, seconds) {
    const queries = await writeQueries(folder, [
      ...Array<string>(50).fill("www.stream.test A"),
      ...Array<string>(25).fill("www.stream.test AAAA"),
      ...Array<string>(10).fill("www.stream.test TYPE65"),
      ...Array<string>(5).fill("static.stream.test A"),
      ...Array.from({ length: 7 }, (_, i) => `no${i}.stream.test A`),
      ...Array<string>(3).fill("static.stream.test MX"),
    ]);
    const beforeMs = await running.processorMs();
    const { completed, ...full } = await dnsperf(port, queries, seconds);
    const tookMs = (await running.processorMs()) - beforeMs;
    const half = dnsperf(port, queries, seconds, Math.round(full["queries/s"] / 2));
    const { p50, p99 } = await probeLatency(`${host}:${port}`, half);
    return {
      ...full,
      "p50 ms at half load": p50,
      "p99 ms at half load": p99,
      "processor µs a query": (tookMs / completed) * 1_000,
    };
  },
};

const loads: readonly Load[] = [subnets, mix];

async function dnsperf(port: number, queries: string, seconds: number, qps?: number) {
  const limit = qps === undefined ? [] : ["-Q", String(qps)];
  const printed = await runLoad("dnsperf", [
    "-s",
    host,
    "-p",
    String(port),
    "-d",
    queries,
    "-l",
    String(seconds),
    "-c",
    "8",
    "-q",
    "500",
    ...limit,
  ]);
  const figure = (form: RegExp) => Number(form.exec(printed)?.[1] ?? Number.NaN);
  return {
    completed: figure(/Queries completed:\s+(\d+)/),
    "queries/s": figure(/Queries per second:\s+([\d.]+)/),
    "lost %": figure(/Queries lost:\s+\d+ \(([\d.]+)%\)/),
  };
}

/** Asks one query after the other, from an address of its own, as long as the load lasts. Times in ms. */
async function probeLatency(server: string, load: Promise<unknown>): Promise<{ p50: number; p99: number }> {
  using client = new UdpClient(server, "127.49.0.7");
  const query = queryBytes({ edns: { options: [ecs(1, 24, [81, 2, 69])] } });
  const tookMs: number[] = [];
  let isOver = false;
  void load.then(() => (isOver = true));
  while (!isOver) {
    const startedMs = performance.now();
    // A reply that gets lost would hold the probe for ever: the load's end goes on without it.
    await Promise.race([client.askRaw(query), load]);
    tookMs.push(performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const sorted = tookMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Measures every server that is there under every load, one server at a time. */
export const benchDns: Subject = async ({ seconds, isWanted, say }: BenchOptions) => {
  const folder = await mkdtemp(path.join(tmpdir(), "watershed-bench-"));
  try {
    const database = path.join(folder, "country.mmdb");
    await writeFile(database, await geoip2Country());
    const rows = new Map<Load, BenchRow[]>(loads.map((load) => [load, []]));
    for (const server of dnsServers) {
      if (!isWanted(server.name)) continue;
      if (server.program !== undefined && !isOnPath(server.program)) {
        say(`${server.name}: left out, ${server.program} is not installed`);
        continue;
      }
      const own = path.join(folder, server.name.replaceAll(/\W+/g, "-"));
      await using running = new PinnedServer(await server.prepare(own, database), { core: server.cores });
      await running.ready(() => answers(server));
      for (const load of loads) {
        if (load.without?.includes(server.name)) continue;
        if (!isOnPath(load.program)) {
          say(`${load.title}: left out, ${load.program} is not installed`);
          continue;
        }
        say(`${server.name}: ${load.title}`);
        const figures = await load.measure(server, running, folder, seconds);
        const memory = (await running.memoryBytes()) / 1_048_576;
        rows.get(load)?.push({ server: server.name, figures: { ...figures, "memory MiB": memory } });
      }
    }
    return loads.map((load) => tableOf(load.title, rows.get(load) ?? [], ours.name, "queries/s"));
  } finally {
    await rm(folder, { recursive: true });
  }
};

async function answers({ port }: DnsServer): Promise<void> {
  using client = new UdpClient(`${host}:${port}`);
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no answer")), answerMsMax).unref());
  await Promise.race([client.askRaw(queryBytes()), late]);
}

async function writeQueries(folder: string, lines: readonly string[]): Promise<string> {
  const file = path.join(folder, "queries");
  // In an order of chance that is the same every time, so that the mix is even all along.
  const mixed = lines.map((line, i) => [line, (i * 7_919) % lines.length] as const).toSorted((a, b) => a[1] - b[1]);
  await writeFile(file, `${mixed.map(([line]) => line).join("\n")}\n`);
  return file;
}
