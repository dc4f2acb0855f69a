import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Clock } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { HeaderList } from "./headers.ts";
import { IdleTimer } from "./idle-timer.ts";

export interface StreamLimits {
  readonly clock: Clock;
  /** The server says nothing. */
  readonly silentMs: number;
  /** The client takes nothing. */
  readonly blockedMs: number;
}

/** Carries a body to the client as it comes, then its trailers. Of server and client, one is waited for at a time.
 * @returns when the client's kernel has it all
 * @throws {TrafficError} UPSTREAM_RESET if the body is cut, CLIENT_GONE, or IDLE if either stood still */
export function pump(
  body: Readable,
  response: ServerResponse,
  trailers: () => HeaderList,
  limits: StreamLimits,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { clock, silentMs, blockedMs } = limits;
    let isEnded = false;
    const awaitServer = () => new IdleTimer(clock, silentMs, () => settle(stalled("server")));
    const awaitClient = () => new IdleTimer(clock, blockedMs, () => settle(stalled("client")));
    let silent: IdleTimer | undefined = awaitServer();
    let blocked: IdleTimer | undefined;
    const settle = (error?: TrafficError) => {
      silent?.cancel();
      blocked?.cancel();
      if (!error) return resolve();
      body.destroy();
      reject(error);
    };
    const block = () => {
      silent?.cancel();
      silent = undefined;
      blocked ??= awaitClient();
    };
    body.on("data", (chunk: Buffer) => {
      silent?.touch();
      if (response.write(chunk)) return;
      body.pause();
      block();
    });
    response.on("drain", () => {
      if (isEnded) return;
      blocked?.cancel();
      blocked = undefined;
      silent ??= awaitServer();
      body.resume();
    });
    body.on("end", () => {
      isEnded = true;
      block();
      const lines = trailers();
      if (lines.length > 0 && response.chunkedEncoding) response.addTrailers(pairsOf(lines));
      response.end();
    });
    body.on("error", () => settle(cut()));
    body.on("close", () => !body.readableEnded && settle(cut()));
    response.once("finish", () => settle());
    response.once("close", () => !response.writableFinished && settle(clientGone()));
    // An answer whose body takes its time shows its head now; one whose body is here goes out in one write.
    setImmediate(() => !response.writableEnded && response.flushHeaders());
  });
}

export function clientGone(): TrafficError {
  return new TrafficError("CLIENT_GONE", "the client left before its answer was whole", { origin: "downstream" });
}

function cut(): TrafficError {
  return new TrafficError("UPSTREAM_RESET", "the server left within its answer", { origin: "upstream" });
}

function stalled(who: "server" | "client"): TrafficError {
  return new TrafficError("IDLE", `the ${who} stood still within the answer`, {
    origin: who === "server" ? "upstream" : "downstream",
  });
}

function pairsOf(lines: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < lines.length; i += 2) pairs.push([lines[i] ?? "", lines[i + 1] ?? ""]);
  return pairs;
}
