import { getAdmin } from "../admin-client.ts";
import { messageOf } from "#shared/core/error.ts";
import { describeExit, lastLines } from "./spawn.ts";
import type { StackProcess } from "./spawn.ts";

const pollMs = 50;
const answerTimeoutMs = 1_000;
const logLinesShown = 15;
const errorPrefix = "error: ";

export interface ReadyOptions {
  /** For all of them together. */
  readonly limitMs: number;
  /** Called when another one has become ready. */
  onProgress(ready: number): void;
  readonly signal?: AbortSignal;
}

/** A process did not come up. */
export class StartError extends Error {
  override readonly name = "StartError";
  /** 2 where the process itself said so (config, a taken port), else 1. */
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Waits until every process answers GET /readyz with 200.
 * @throws {StartError} naming the first that ended or was not ready in time, with its last log lines */
export async function waitReady(processes: readonly StackProcess[], options: ReadyOptions): Promise<void> {
  const deadlineMs = performance.now() + options.limitMs;
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([stop.signal, options.signal]) : stop.signal;
  let ready = 0;
  try {
    await Promise.all(
      processes.map(async (one) => {
        await waitForOne(one, deadlineMs, options.limitMs, signal);
        if (!signal.aborted) options.onProgress(++ready);
      }),
    );
  } finally {
    stop.abort(); // The others wait no longer.
  }
}

async function waitForOne(one: StackProcess, deadlineMs: number, limitMs: number, signal: AbortSignal): Promise<void> {
  let said = "it did not answer";
  while (!signal.aborted) {
    if (one.exit) throw startError(one, describeExit(one.exit), one.exit.code === 2 ? 2 : 1);
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) throw startError(one, `is not ready after ${limitMs / 1_000} s: ${said}`, 1);
    try {
      const reply = await getAdmin(one.node.admin, "/readyz", Math.min(answerTimeoutMs, leftMs));
      if (reply.status === 200) return;
      said = `${reply.status} ${reply.text.trim().slice(0, 200)}`;
    } catch (error) {
      said = messageOf(error); // It does not listen yet, or is busy starting.
    }
    await pause(pollMs, one);
  }
}

/** Waits a moment, or until the process ends. */
async function pause(durationMs: number, one: StackProcess): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([
    one.exited,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, durationMs);
    }),
  ]);
  clearTimeout(timer);
}

function startError(one: StackProcess, what: string, exitCode: 1 | 2): StartError {
  const { headline, rest } = liftReason(one.node.name, what, lastLines(one.logFile, logLinesShown));
  return new StartError(`${headline}\n${rest.map((line) => `  ${line}\n`).join("")}  (log: ${one.logFile})`, exitCode);
}

/** A service that ends because it was asked for something that cannot be done says so in a line of its own among those of
 * its log: that is the headline, as in "eu-west/l7-1: cannot listen on 127.11.0.1:8080 (tcp): the port is already in use".
 * @param what headline where there is none */
export function liftReason(
  node: string,
  what: string,
  lines: readonly string[],
): { readonly headline: string; readonly rest: readonly string[] } {
  const at = lines.findLastIndex((line) => line.startsWith(errorPrefix));
  const said = lines[at];
  if (said === undefined) return { headline: `${node} ${what}`, rest: lines };
  return { headline: `${node}: ${said.slice(errorPrefix.length)}`, rest: lines.toSpliced(at, 1) };
}
