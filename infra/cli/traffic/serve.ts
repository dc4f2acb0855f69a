import { systemClock } from "#shared/core/clock.ts";
import { UsageError } from "#shared/core/error.ts";
import { rateMax } from "#shared/traffic/plan.ts";
import { sourceOf } from "#shared/traffic/sources.ts";
import { Traffic } from "#shared/traffic/traffic.ts";
import type { TrafficStatus } from "#shared/traffic/traffic.ts";
import { chooseStack } from "../stack/choose.ts";
import type { Stack } from "../stack/choose.ts";
import { listenLines } from "../stack/line-socket.ts";
import { launcherLives, readRun } from "../stack/state.ts";
import { sourcesOf } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { claimTraffic, requestSchema, trafficSocket } from "./state.ts";
import type { TrafficRequest } from "./state.ts";

const inFlightMax = 256; // each holds a socket here and several in the stack, whose limits are not what is shown

/** Why the traffic ended. */
export type End = "stopped" | "time is over" | "the stack has ended";

/** What a running traffic tells of itself. */
export interface Served extends TrafficStatus {
  readonly pid: number;
  readonly startedAt: string;
  readonly seconds: number;
}

/** Sends traffic, and takes commands at the socket of the state folder, until it is stopped, its time is over, or the stack that was up
 * has ended.
 * @param asked somebody wants it to stop
 * @throws {UsageError} if traffic is sent from here already, or in the host's place of the clients of containers */
export async function serveTraffic(
  settings: Settings,
  dir: string,
  asked: Promise<void>,
  on: { started?(status: Served): void; second?(status: Served): void } = {},
): Promise<{ readonly end: End; readonly status: Served }> {
  const stack = await chooseStack(settings.stack);
  if (stack.runsIn === "containers" && stack.clientAddress === undefined) throw inContainers();
  const sources = sourcesOf(stack, settings);
  await using _ = claimTraffic(dir);
  const startedAt = new Date().toISOString();
  const startedMs = performance.now();
  const ended = Promise.withResolvers<End>();
  const { seed, mix } = settings;
  const traffic = new Traffic({
    seed,
    sources,
    mix,
    inFlightMax,
    clock: systemClock,
    onSecond() {
      on.second?.(statusNow());
      if (hasEnded()) ended.resolve("the stack has ended");
    },
  });
  const statusNow = (): Served => {
    const seconds = (performance.now() - startedMs) / 1_000;
    return { pid: process.pid, startedAt, seconds: Math.round(seconds * 10) / 10, ...traffic.status };
  };
  const hasEnded = whenStackEnds(dir, settings);
  await using _control = await listenLines(trafficSocket(dir), async (request) => {
    return { ok: true, ...(await obey(requestSchema.parse(request))) };
  });
  const obey = async (request: TrafficRequest): Promise<Served> => {
    if (request.do === "rate") changeRate(traffic, stack, settings, request);
    if (request.do === "stop") {
      await traffic.stop();
      ended.resolve("stopped");
    }
    return statusNow();
  };
  void asked.then(() => ended.resolve("stopped"));
  const limit =
    settings.forMs === undefined ? undefined : setTimeout(() => ended.resolve("time is over"), settings.forMs);
  on.started?.(statusNow());
  const end = await ended.promise;
  clearTimeout(limit);
  await traffic.stop();
  return { end, status: statusNow() };
}

function inContainers(): UsageError {
  return new UsageError(
    "in containers the clients send: docker compose exec client-de ./watershed traffic start --from DE --foreground",
  );
}

/** @throws {UsageError} for a rate out of bounds, or a country that is none */
function changeRate(
  traffic: Traffic,
  stack: Stack,
  settings: Settings,
  { rate, from }: { readonly rate: number; readonly from?: string | undefined },
): void {
  if (!(rate >= 0)) throw new UsageError(`${rate} is no rate`);
  const before = traffic.status;
  const one = before.sources.find(({ name }) => name === from?.toUpperCase() || name === from);
  const sum = from === undefined ? rate : before.ratePerSecond - (one?.ratePerSecond ?? 0) + rate;
  if (sum > rateMax) throw new UsageError(`${sum} requests a second are too many: ${rateMax} at most`);
  if (from === undefined) traffic.setRate(rate);
  else if (one) traffic.setSourceRate(one.name, rate);
  else if (!traffic.addSource(sourceOf(stack, from, rate, settings))) throw new UsageError("too many countries");
}

/** Says whether the stack that was up at the start is gone. Where none was up it never is. */
function whenStackEnds(dir: string, { stack }: Settings): () => boolean {
  const run = stack.topology === undefined && !stack.docker ? readRun(dir) : undefined;
  return () => run !== undefined && !launcherLives(run);
}
