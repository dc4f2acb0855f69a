import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { parseDurationMs } from "#shared/core/duration.ts";
import { UsageError } from "#shared/core/error.ts";
import { Caller } from "../load/caller.ts";
import { Tally, countsText } from "../load/tally.ts";
import type { Counts } from "../load/tally.ts";
import { chooseStack } from "../stack/choose.ts";
import type { StackChoice } from "../stack/choose.ts";
import { listenForStop } from "../stack/stop.ts";
import { clientOf, targetOf } from "../trace/request.ts";
import { addStackOptions, example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const workersDefault = 3;
const workersMax = 64; // a watch on the stack, not a benchmark
const pauseMs = 50; // of each worker between two requests
const secondMs = 1_000;

interface LoadOptions extends StackChoice {
  readonly from?: string;
  readonly workers: number;
  readonly for?: number;
  readonly json?: boolean;
}

export const addLoad: AddCommand = (program, exitWith) => {
  const command = program
    .command("load")
    .description("sends requests all the time as a client would, and prints every second what failed")
    .argument("[url]", "a path such as /api/users, or a whole http URL", "/api/users")
    .option("--from <client>", "country of the client (DE), or its address; must be given")
    .option(
      "--workers <count>",
      `requests under way at the same moment, 1 to ${workersMax}`,
      workerCount,
      workersDefault,
    )
    .option("--for <time>", "ends after this time; default: at Ctrl-C", durationMs)
    .option("--json", "one JSON object a second")
    .action(async (url: string, { from, ...options }: LoadOptions, self: Command) => {
      if (from === undefined) self.error("error: required option '--from <client>' not specified");
      else exitWith(await load(url, from, options));
    });
  example(addStackOptions(command), "load --from DE --for 30s /api/users");
};

function workerCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= workersMax) return count;
  throw new InvalidArgumentError(`expected a whole number 1..${workersMax}`);
}

function durationMs(text: string): number {
  const parsed = parseDurationMs(text);
  if (parsed === undefined || parsed <= 0) throw new InvalidArgumentError("expected a time such as 30s or 5m");
  return parsed;
}

/** @returns 0 if every request was answered with 200, else 1 */
async function load(url: string, from: string, options: Omit<LoadOptions, "from">): Promise<number> {
  const { nodes, topology, clientAddress, runsIn } = await chooseStack(options);
  if (runsIn === "containers" && clientAddress === undefined)
    throw new UsageError("in containers the clients send: docker compose --profile chaos up -d");
  const client = clientOf(topology, from, clientAddress);
  const target = targetOf(topology, url);
  const who = client.country ?? client.address;
  const tally = new Tally();
  using stop = listenForStop(() => process.exit(1));
  let over = false;
  const work = async () => {
    const caller = new Caller(nodes, client, target);
    while (!over) {
      tally.add(await caller.ask());
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const seconds = setInterval(() => print(who, tally.takeSecond(), options), secondMs);
  const workers = Array.from({ length: options.workers }, work);
  await Promise.race([stop.asked, after(options.for)]);
  over = true;
  await Promise.all(workers);
  clearInterval(seconds);
  print(who, tally.takeSecond(), options);
  print(`${who} in all`, tally.total, options);
  return tally.total.failed === 0 ? 0 : 1;
}

/** Never, where no time is given. The process ends at the end of the command. */
function after(timeMs: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (timeMs !== undefined) setTimeout(resolve, timeMs).unref();
  });
}

function print(who: string, counts: Counts, { json }: Pick<LoadOptions, "json">): void {
  const at = new Date().toISOString();
  const line = json ? JSON.stringify({ at, who, ...counts }) : `${at.slice(11, 19)}  ${countsText(who, counts)}`;
  process.stdout.write(`${line}\n`);
}
