import { Argument, InvalidArgumentError } from "commander";
import { balanceNames } from "#shared/config/schema/common.ts";
import { UsageError } from "#shared/core/error.ts";
import { seededRandom } from "#shared/core/random.ts";
import { sideBySide } from "../lesson/measure/side-by-side.ts";
import type { Algorithm, Job, Result, SetServer } from "../lesson/measure/side-by-side.ts";
import { countBy } from "../lesson/statistics.ts";
import { arrivals } from "../lesson/traffic.ts";
import { paintForStdout, renderTable } from "../table.ts";
import type { Cell, Column } from "../table.ts";
import { durationMs, example, wholeNumber } from "./command.ts";
import type { AddCommand } from "./command.ts";

const serversMax = 16; // a set for each algorithm, all at one time
const rateMax = 500; // more than this process sends in time beside seven sets
const durationMsMax = 120_000;
const clients = 40;
const workShareMax = 5; // of the mean: a longer job would outlast a short run

interface CompareOptions {
  readonly servers: readonly number[];
  readonly weights?: readonly number[];
  readonly rate: number;
  readonly work: number;
  readonly for: number;
  readonly seed: number;
  readonly json?: boolean;
}

export const addBench: AddCommand = (program, exitWith) => {
  const command = program.command("bench").description("measures on this machine; npm run bench measures beside peers");
  const compare = command
    .command("compare")
    .description("gives the same seeded requests to several algorithms at the same time, each with servers of its own")
    .addArgument(new Argument("<algorithms...>", "two or more").choices(balanceNames))
    .option("--servers <speeds>", "how many, and how fast each is: 5:2:2", numbers, [1, 1, 1, 1])
    .option("--weights <weights>", "of each server; default: 1", numbers)
    .option("--rate <rate>", `requests a second, up to ${rateMax}`, wholeNumber(1, rateMax), 60)
    .option("--work <time>", "what a request takes on the average at speed 1; default: 40ms", durationMs, 40)
    .option("--for <time>", "how long; default: 5s", durationMs, 5_000)
    .option("--seed <number>", "the same seed, the same requests", wholeNumber(0, 2 ** 31 - 1), 1)
    .option("--json", "as JSON")
    .action(async (algorithms: Algorithm[], options: CompareOptions) => exitWith(await run(algorithms, options)));
  example(compare, "bench compare round-robin least-connections --servers 1:1:1:0.25");
};

/** "5:2:2" → three numbers. */
function numbers(text: string): number[] {
  const all = text.split(":").map(Number);
  if (all.length <= serversMax && all.every((one) => one > 0 && one <= 1_000)) return all;
  throw new InvalidArgumentError(`expected up to ${serversMax} numbers such as 5:2:2`);
}

/** @returns 1 if a request failed, else 0 */
async function run(algorithms: readonly Algorithm[], options: CompareOptions): Promise<number> {
  const { servers: speeds, weights, seed, rate, work, json = false } = options;
  if (new Set(algorithms).size < 2) throw new UsageError("name two algorithms or more, each once");
  if (weights && weights.length !== speeds.length)
    throw new UsageError(`--weights names ${weights.length} servers, --servers ${speeds.length}`);
  if (weights?.some((weight) => !Number.isInteger(weight)))
    throw new UsageError("--weights: whole numbers such as 5:2:2");
  if (options.for > durationMsMax) throw new UsageError(`--for: ${durationMsMax / 1_000}s at most`);
  const jobs = jobsOf(options);
  const busy = (rate * work) / 1_000 / speeds.reduce((sum, speed) => sum + speed, 0);
  if (!json)
    process.stderr.write(
      `${jobs.length} requests in ${options.for / 1_000} s (seed ${seed}), servers ${Math.round(100 * busy)} % busy ...\n`,
    );
  const servers = speeds.map((speed, i): SetServer => ({ speed, ...(weights && { weight: weights[i] ?? 1 }) }));
  const results = await sideBySide(servers, jobs, [...new Set(algorithms)]);
  process.stdout.write(json ? jsonOf(options, results) : tableOf(servers, results));
  return results.some(({ failed }) => failed > 0) ? 1 : 0;
}

function jobsOf({ seed, rate, work, for: forMs }: CompareOptions): Job[] {
  const random = seededRandom(seed);
  return arrivals(random, rate, forMs).map((atMs) => ({
    atMs,
    client: Math.floor(random() * clients),
    workMs: Math.min(work * workShareMax, Math.max(1, Math.round(-Math.log(1 - random()) * work))),
  }));
}

function tableOf(servers: readonly SetServer[], results: readonly Result[]): string {
  const right = (title: string): Column => ({ title, align: "right" });
  const columns: Column[] = [
    { title: "algorithm" },
    ...["failed", "p50 ms", "p99 ms", "mean ms", "imbalance", "same server"].map(right),
    ...servers.map((_, i) => right(`to ${i + 1}`)),
  ];
  const rows = results.map((result): Cell[] => [
    result.algorithm,
    result.failed > 0 ? { text: String(result.failed), colour: "red" } : "0",
    ...[result.p50Ms, result.p99Ms, result.meanMs].map((ms) => ms.toFixed(0)),
    result.imbalance.toFixed(2),
    `${Math.round(100 * result.affinity)} %`,
    ...servers.map((_, i) => String(sentTo(result, i))),
  ]);
  return renderTable(columns, rows, paintForStdout);
}

function sentTo({ algorithm, ended }: Result, server: number): number {
  return countBy(ended, (one) => one.server).get(`${algorithm}-${server + 1}`) ?? 0;
}

function jsonOf(
  { servers, weights, rate, work, seed, for: forMs }: CompareOptions,
  results: readonly Result[],
): string {
  const told = results.map((result) => {
    const { algorithm, failed, p50Ms, p99Ms, meanMs, imbalance, affinity, ended } = result;
    const byServer = servers.map((_, i) => sentTo(result, i));
    return { algorithm, requests: ended.length, failed, p50Ms, p99Ms, meanMs, imbalance, affinity, byServer };
  });
  return `${JSON.stringify({ seed, rate, workMs: work, forMs, servers, weights: weights ?? null, results: told }, null, 2)}\n`;
}
