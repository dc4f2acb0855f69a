import { describe, expect, it } from "vitest";
import { Tally, countsText } from "./tally.ts";

const answered = (by: string, tookMs: number, retries = 0) => ({
  by,
  status: 200,
  server: "web-1",
  failure: null,
  retries,
  tookMs,
});
const failed = (failure: string, tookMs: number) => ({
  by: null,
  status: null,
  server: null,
  failure,
  retries: 1,
  tookMs,
});

describe("what a client has seen", () => {
  it("is counted for the second that runs, and in all", () => {
    const tally = new Tally();
    tally.add(answered("eu-west", 3));
    tally.add(answered("us-east", 9, 1));
    expect(tally.takeSecond()).toEqual({
      requests: 2,
      failed: 0,
      retries: 1,
      p50Ms: 3.04,
      p99Ms: 9,
      slowestMs: 9,
      statuses: { "200": 2 },
      answers: { "eu-west": 1, "us-east": 1 },
      lastFailure: null,
    });
    tally.add(failed("10.11.0.1: 502", 4));
    expect(tally.takeSecond()).toMatchObject({ requests: 1, failed: 1, answers: {}, lastFailure: "10.11.0.1: 502" });
    expect(tally.takeSecond()).toMatchObject({ requests: 0, failed: 0, slowestMs: 0 });
    expect(tally.total).toMatchObject({ requests: 3, failed: 1, retries: 2, slowestMs: 9 });
  });

  it("is one line", () => {
    const tally = new Tally();
    for (let i = 0; i < 58; i++) tally.add(answered("eu-west", 12.4));
    expect(countsText("DE", tally.takeSecond())).toBe(
      "DE     58 requests    0 failed    0 retries  p99   12 ms  slowest   12 ms  eu-west 58",
    );
    tally.add(failed("ns2: REFUSED, no address", 1_000));
    expect(countsText("DE", tally.takeSecond())).toBe(
      "DE      1 requests    1 failed    1 retries  p99 1000 ms  slowest 1000 ms  (ns2: REFUSED, no address)",
    );
  });
});
