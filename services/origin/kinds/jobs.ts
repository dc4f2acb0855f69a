import { parseDurationMs } from "#shared/core/duration.ts";
import { factsOf, sendJson } from "./exchange.ts";
import type { Exchange, Pages } from "./exchange.ts";
import type { ServerContext } from "./kind.ts";

const waitingMax = 1_000; // twice as many as a lesson ever lets wait
const workMsMax = 60_000;
const workMsDefault = 10;

/** A server that does so many jobs at a time, while the others wait in their order: what a queue in front of a server is.
 * A request is a job; `?work=40ms` says how long it takes at speed 1. Nothing is computed meanwhile. */
export class JobPages implements Pages {
  readonly #context: Pick<ServerContext, "clock" | "gate" | "jobs">;
  readonly #waiting: (() => void)[] = [];
  #working = 0;

  constructor(context: Pick<ServerContext, "clock" | "gate" | "jobs">) {
    this.#context = context;
  }

  async answer(exchange: Exchange): Promise<void> {
    const { clock, gate, jobs } = this.#context;
    const { socket } = exchange.connection;
    const workMs = Math.min(parseDurationMs(exchange.query.get("work") ?? "") ?? workMsDefault, workMsMax) / jobs.speed;
    const ahead = this.#waiting.length + this.#working;
    if (this.#waiting.length >= waitingMax)
      return sendJson(exchange.response, 503, { ...factsOf(exchange), error: `${waitingMax} jobs wait already` });
    const cameMs = clock.nowMs();
    await this.#turn();
    const waitedMs = clock.nowMs() - cameMs;
    const done = !socket.destroyed && (await gate.pause(socket, workMs));
    this.#next();
    if (done) sendJson(exchange.response, 200, { ...factsOf(exchange), job: { ahead, waitedMs, workMs } });
    return undefined;
  }

  drop(): void {
    for (const start of this.#waiting.splice(0)) {
      this.#working++;
      start(); // Its connection is gone: it ends at once.
    }
  }

  status(): Record<string, unknown> {
    return { working: this.#working, waiting: this.#waiting.length };
  }

  #turn(): Promise<void> {
    if (this.#working < this.#context.jobs.slots) {
      this.#working++;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** A slot is free: whoever waits longest gets it. */
  #next(): void {
    this.#working--;
    const first = this.#waiting.shift();
    if (!first) return;
    this.#working++;
    first(); // Whoever has left meanwhile passes the slot on at once.
  }
}
