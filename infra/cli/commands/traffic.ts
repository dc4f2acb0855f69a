import { randomInt } from "node:crypto";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { UsageError } from "#shared/core/error.ts";
import { parseRate, parseSource } from "#shared/traffic/plan.ts";
import { clientsMax } from "#shared/traffic/sources.ts";
import { commandName } from "../command-name.ts";
import { chooseStack } from "../stack/choose.ts";
import type { StackChoice } from "../stack/choose.ts";
import { listenForStop } from "../stack/stop.ts";
import { stateDir } from "../stack/state.ts";
import { paintForStdout } from "../table.ts";
import { startInBackground } from "../traffic/background.ts";
import { serveTraffic } from "../traffic/serve.ts";
import type { Served } from "../traffic/serve.ts";
import { chooseMix, chooseSources } from "../traffic/settings.ts";
import type { Settings } from "../traffic/settings.ts";
import { rateText, secondText, servedSchema, servedText } from "../traffic/show.ts";
import { alreadyRuns, askTraffic, readTrafficRun } from "../traffic/state.ts";
import type { TrafficRequest } from "../traffic/state.ts";
import { addStackOptions, collect, durationMs, example, wholeNumber } from "./command.ts";
import type { AddCommand } from "./command.ts";

const clientsDefault = 4;
const seedMax = 2 ** 31 - 1;

interface StartOptions extends StackChoice {
  readonly from: readonly string[];
  readonly rate?: number;
  readonly request: readonly string[];
  readonly seed?: number;
  readonly clients: number;
  readonly keep: boolean;
  readonly for?: number;
  readonly foreground?: boolean;
  readonly json?: boolean;
}

interface ShowOptions {
  readonly json?: boolean;
}

export const addTraffic: AddCommand = (program, exitWith) => {
  const traffic = program
    .command("traffic")
    .description(
      "sends requests of clients from many countries to the stack, in the background, at a rate that can be changed",
    );
  addStart(traffic, exitWith);
  const stop = traffic
    .command("stop")
    .description("ends the traffic, and says what came of it")
    .option("--json", "as JSON")
    .action(async (options: ShowOptions) => exitWith(await stopTraffic(options)));
  example(stop, "traffic stop");
  const status = traffic
    .command("status")
    .description("what is sent, and what came of it")
    .option("--json", "as JSON")
    .action(async (options: ShowOptions) => exitWith(await show({ do: "status" }, options)));
  example(status, "traffic status");
  const rate = traffic
    .command("rate")
    .description("sets the rate of all countries together, which keep their shares; or of one, which may be a new one")
    .argument("<rate>", "requests a second: 50, or DE=20")
    .option("--json", "as JSON")
    .action(async (text: string, options: ShowOptions) => exitWith(await show(rateRequest(text), options)));
  example(rate, "traffic rate DE=20");
  example(traffic, "traffic start --from DE=20 --from US=10");
};

function addStart(traffic: Command, exitWith: (code: number) => void): void {
  const start = traffic
    .command("start")
    .description("begins to send; ends with the stack, by traffic stop, or after --for")
    .option("--from <country>", "a country, or one with its rate (DE=20); may be there several times", collect, [])
    .option("--rate <rate>", "requests a second of the countries that have none of their own; default: 20", asRate)
    .option("--request <text>", 'a kind of request: "POST /api/orders 2"; may be there several times', collect, [])
    .option("--seed <number>", "the same seed, the same requests; default: by chance", wholeNumber(0, seedMax))
    .option("--clients <count>", `of each country, 1 to ${clientsMax}`, wholeNumber(1, clientsMax), clientsDefault)
    .option("--no-keep", "a new connection for every request")
    .option("--for <time>", "ends after this time", durationMs)
    .option("--foreground", "stays, and prints every second what came of it")
    .option("--json", "as JSON; in the foreground one object a second, and one in all")
    .action(async (options: StartOptions) => exitWith(await startTraffic(options)));
  example(addStackOptions(start), "traffic start --from DE=20 --from US=10 --for 5m");
}

function asRate(text: string): number {
  try {
    return parseRate(text);
  } catch {
    throw new InvalidArgumentError("expected requests a second, such as 50");
  }
}

/** @returns 1 where it ran in the foreground and a request failed, else 0 */
async function startTraffic(options: StartOptions): Promise<number> {
  const dir = stateDir();
  const running = readTrafficRun(dir);
  if (running) throw alreadyRuns(running);
  const settings = await settingsOf(options);
  if (options.foreground) return inForeground(settings, dir, options);
  const status = servedSchema.parse(await startInBackground(settings, dir));
  if (options.json) print(JSON.stringify(status));
  else print(startedText(status));
  return 0;
}

async function settingsOf(options: StartOptions): Promise<Settings> {
  const { topology, scale, docker, from, rate, request, clients, keep } = options;
  const stack = await chooseStack({ topology, scale, docker });
  return {
    stack: { topology: topology === undefined ? undefined : stack.file, scale, docker },
    sources: chooseSources(from, rate, knownCountries(stack.topology.testClients, stack.clientAddress)),
    mix: chooseMix(request),
    seed: options.seed ?? randomInt(seedMax),
    clients,
    keepConnections: keep,
    forMs: options.for,
  };
}

/** In a client container it is the one of the container that is meant unless another one is named. */
function knownCountries(testClients: Readonly<Record<string, number>>, here: string | undefined): string[] {
  const known = Object.keys(testClients);
  return here === undefined ? known : known.filter((country) => here.split(".")[1] === String(testClients[country]));
}

async function inForeground(settings: Settings, dir: string, { json }: ShowOptions): Promise<number> {
  using stop = listenForStop(() => process.exit(1));
  const say = (who: string, served: Served, counts: Served["total"]) => {
    const at = new Date().toISOString();
    print(json ? JSON.stringify({ at, ...served }) : secondText(at, who, counts));
  };
  const { end, status } = await serveTraffic(settings, dir, stop.asked, {
    started: (served) => json || print(startedText(served)),
    second: (served) => say(`${rateText(served.ratePerSecond)}/s`, served, served.second),
  });
  say(`${end}: in all`, status, status.total);
  return status.total.failed === 0 ? 0 : 1;
}

function startedText({ pid, seed, sources }: Pick<Served, "pid" | "seed" | "sources">): string {
  const rates = sources.map(({ name, ratePerSecond }) => `${name} ${rateText(ratePerSecond)}`).join(", ");
  return `traffic runs (process ${pid}, seed ${seed}): requests a second ${rates}\nchange it: ${commandName()} traffic rate 50; end it: ${commandName()} traffic stop`;
}

function rateRequest(text: string): TrafficRequest {
  if (!text.includes("=")) return { do: "rate", rate: parseRate(text) };
  const { from, ratePerSecond } = parseSource(text);
  return { do: "rate", rate: ratePerSecond ?? 0, from };
}

async function show(request: TrafficRequest, { json }: ShowOptions): Promise<number> {
  const status = await askTraffic(stateDir(), request);
  if (status === undefined) {
    if (request.do !== "status") throw new UsageError(`no traffic runs here: ${commandName()} traffic start`);
    print(json ? JSON.stringify({ running: false }) : "no traffic runs here");
    return 0;
  }
  if (json) print(JSON.stringify({ running: request.do !== "stop", ...status }));
  else process.stdout.write(servedText(servedSchema.parse(status), paintForStdout));
  return 0;
}

async function stopTraffic(options: ShowOptions): Promise<number> {
  return show({ do: "stop" }, options);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
