import type { ServerResponse } from "node:http";
import { PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { pump } from "./pump.ts";

const silentMs = 30_000;
const blockedMs = 60_000;

/** A client that takes a chunk when it is told to. */
class SlowResponse extends Writable {
  readonly chunkedEncoding = false;
  #taken: (() => void) | undefined;

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _write(_chunk: Buffer, _encoding: string, taken: () => void): void {
    this.#taken = taken;
  }

  flushHeaders(): void {}

  take(): void {
    this.#taken?.();
  }
}

function start(): { clock: FakeClock; body: PassThrough; response: SlowResponse; outcome: Promise<string> } {
  const clock = new FakeClock();
  const body = new PassThrough();
  const response = new SlowResponse();
  const limits = { clock, silentMs, blockedMs };
  const pumped = pump(body, response as unknown as ServerResponse, () => [], limits);
  const outcome = pumped.then(
    () => "whole",
    (error: Error) => error.message,
  );
  return { clock, body, response, outcome };
}

describe("pump", () => {
  it("a server that is silent is cut at its limit", async () => {
    const { clock, outcome } = start();
    await clock.advance(silentMs);
    expect(await outcome).toMatch("the server stood still");
  });

  it("a client that takes nothing is cut at its own limit", async () => {
    const { clock, body, outcome } = start();
    body.write("a");
    await clock.advance(blockedMs);
    expect(await outcome).toMatch("the client stood still");
  });

  it("a server that falls silent after a client that was slow is cut", async () => {
    const { clock, body, response, outcome } = start();
    body.write("a");
    await clock.advance(silentMs + 1);
    response.take();
    await clock.advance(silentMs - 1);
    body.write("b");
    await clock.advance(1);
    response.take();
    await clock.advance(silentMs + 1);
    expect(await outcome).toMatch("the server stood still");
  });

  it("a client that does not take the end is cut", async () => {
    const { clock, body, outcome } = start();
    body.end("a");
    await clock.advance(blockedMs);
    expect(await outcome).toMatch("the client stood still");
  });

  it("leaves no timer behind", async () => {
    const { clock, body, response, outcome } = start();
    body.end("a");
    await clock.advance(1);
    response.take();
    expect(await outcome).toBe("whole");
    expect(clock.pendingCount).toBe(0);
  });
});
