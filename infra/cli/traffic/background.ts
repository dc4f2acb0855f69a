import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { TrafficError, UsageError } from "#shared/core/error.ts";
import { lastLines } from "../stack/spawn.ts";
import { projectDir } from "../stack/state.ts";
import type { Settings } from "./settings.ts";
import { trafficLog } from "./state.ts";

const startLimitMs = 15_000; // a Node that compiles, on a machine that is busy

const messageSchema = z.union([
  z.object({ ok: z.literal(true), status: z.record(z.string(), z.unknown()) }),
  z.object({ ok: z.literal(false), usage: z.boolean(), error: z.string() }),
]);
/** What the process tells whoever started it, once. */
export type StartMessage = z.output<typeof messageSchema>;

/** Starts a process that sends traffic, and lives on when this one ends.
 * @returns what it says of itself
 * @throws {UsageError} what it refuses
 * @throws {TrafficError} if it ends, or says nothing in time */
export async function startInBackground(settings: Settings, dir: string): Promise<Record<string, unknown>> {
  const file = trafficLog(dir);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const log = fs.openSync(file, "w");
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "main.ts"), JSON.stringify(settings)], {
    cwd: projectDir,
    stdio: ["ignore", log, log, "ipc"],
    detached: true, // of its own session: Ctrl-C here does not reach it
  });
  fs.closeSync(log);
  try {
    const message = await new Promise<StartMessage>((resolve, reject) => {
      const fail = (what: string) => reject(failure(`the traffic ${what}: ${lastLines(file, 1).join("")} (${file})`));
      const timer = setTimeout(() => {
        child.kill("SIGKILL");
        fail(`did not start in ${startLimitMs / 1_000} s`);
      }, startLimitMs);
      timer.unref();
      child.once("message", (text) => resolve(messageSchema.parse(text)));
      child.once("error", (error) => reject(failure(`the traffic cannot be started: ${error.message}`)));
      child.once("exit", (code) => fail(`ended with ${code}`));
    });
    if (message.ok) return message.status;
    throw message.usage ? new UsageError(message.error) : failure(message.error);
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
}

function failure(message: string): TrafficError {
  return new TrafficError("UPSTREAM_INVALID", message, { origin: "internal" });
}
