import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { UsageError, codeOf, messageOf } from "#shared/core/error.ts";
import { commandName } from "../command-name.ts";
import { commandOf } from "../stack/state.ts";
import { askLine } from "../stack/line-socket.ts";

const answerLimitMs = 5_000; // a stop waits a second for what is under way

const fileSchema = z.object({ pid: z.int().min(1), startedAt: z.string() });
export type TrafficRun = z.output<typeof fileSchema>;

const runFile = (dir: string): string => path.join(dir, "traffic.json");
export const trafficSocket = (dir: string): string => path.join(dir, "traffic.sock");
export const trafficLog = (dir: string): string => path.join(dir, "logs", "traffic.log");

/** Who sends traffic from this state folder, as traffic.json says; undefined if nobody does any more. */
export function readTrafficRun(dir: string): TrafficRun | undefined {
  try {
    const run = fileSchema.parse(JSON.parse(fs.readFileSync(runFile(dir), "utf8")));
    // Its pid may belong to another process by now.
    const isOurs = commandOf(run.pid).some((word) => word.endsWith(".ts") && word.includes(path.join("infra", "cli")));
    return isOurs || run.pid === process.pid ? run : undefined;
  } catch {
    return undefined; // There is none, or it is being written.
  }
}

/** @throws {UsageError} if traffic is sent from here already, or the folder cannot be written */
export function claimTraffic(dir: string): AsyncDisposable {
  const running = readTrafficRun(dir);
  if (running) throw alreadyRuns(running);
  try {
    fs.mkdirSync(path.dirname(trafficLog(dir)), { recursive: true });
    fs.rmSync(runFile(dir), { force: true });
    fs.writeFileSync(runFile(dir), JSON.stringify({ pid: process.pid, startedAt: new Date().toISOString() }), {
      flag: "wx",
    });
  } catch (error) {
    if (codeOf(error) === "EEXIST") throw new UsageError("traffic has just been started here");
    throw new UsageError(`${dir} cannot be written (${messageOf(error)}): name another folder in WATERSHED_STATE_DIR`);
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const file of [runFile(dir), trafficSocket(dir)]) fs.rmSync(file, { force: true });
    },
  };
}

export function alreadyRuns({ pid, startedAt }: TrafficRun): UsageError {
  return new UsageError(
    `traffic runs already (process ${pid}, since ${startedAt}): ${commandName()} traffic rate N changes it, traffic stop ends it`,
  );
}

export const requestSchema = z.union([
  z.strictObject({ do: z.enum(["status", "stop"]) }),
  z.strictObject({ do: z.literal("rate"), rate: z.number(), from: z.string().optional() }),
]);
export type TrafficRequest = z.output<typeof requestSchema>;

/** @returns the status that the running traffic answers with; undefined if none runs
 * @throws {UsageError} if it refuses */
export async function askTraffic(dir: string, request: TrafficRequest): Promise<Record<string, unknown> | undefined> {
  let reply: Record<string, unknown>;
  try {
    reply = z.record(z.string(), z.unknown()).parse(await askLine(trafficSocket(dir), request, answerLimitMs));
  } catch (error) {
    if (["ENOENT", "ECONNREFUSED"].includes(codeOf(error))) return undefined;
    throw new UsageError(`the traffic: ${messageOf(error)}`);
  }
  if (reply["ok"] !== true) throw new UsageError(String(reply["error"]));
  const { ok: _, ...status } = reply;
  return status;
}
