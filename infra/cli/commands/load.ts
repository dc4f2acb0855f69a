import type { Command } from "commander";
import { UsageError } from "#shared/core/error.ts";
import { Caller } from "#shared/traffic/caller.ts";
import { clientOf, targetOf } from "#shared/traffic/client.ts";
import { Tally } from "#shared/traffic/tally.ts";
import type { Counts } from "#shared/traffic/tally.ts";
import { startWorkers } from "#shared/traffic/workers.ts";
import { chooseStack } from "../stack/choose.ts";
import type { StackChoice } from "../stack/choose.ts";
import { listenForStop } from "../stack/stop.ts";
import { secondText } from "../traffic/show.ts";
import { addStackOptions, durationMs, example, wholeNumber } from "./command.ts";
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
      wholeNumber(1, workersMax),
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

/** @returns 0 if every request was answered with a status below 400, else 1 */
async function load(url: string, from: string, options: Omit<LoadOptions, "from">): Promise<number> {
  const { nodes, topology, clientAddress, runsIn } = await chooseStack(options);
  if (runsIn === "containers" && clientAddress === undefined)
    throw new UsageError("in containers the clients send: docker compose --profile chaos up -d");
  const client = clientOf(topology, from, clientAddress);
  const target = targetOf(topology, url);
  const who = client.country ?? client.address;
  const tally = new Tally();
  using stop = listenForStop(() => process.exit(1));
  const workers = Array.from({ length: options.workers }, () => {
    return { caller: new Caller(nodes, client, target), next: () => ({ method: "GET", path: target.path }) };
  });
  const seconds = setInterval(() => print(who, tally.takeSecond(), options), secondMs);
  const running = startWorkers(workers, pauseMs, (outcome) => tally.add(outcome));
  await Promise.race([stop.asked, after(options.for)]);
  await running.stop();
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
  const line = json ? JSON.stringify({ at, who, ...counts }) : secondText(at, who, counts);
  process.stdout.write(`${line}\n`);
}
