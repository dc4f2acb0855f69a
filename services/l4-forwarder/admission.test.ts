import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Admission } from "./admission.ts";

const none = { connectionsPerClient: undefined, connectionsPerSecondPerClient: undefined, burst: undefined };

describe("admission", () => {
  it("lets everybody in where nothing is configured", () => {
    const admission = new Admission(none, new FakeClock());
    for (let i = 0; i < 1_000; i++) expect(admission.enter("10.0.0.1")).toBe(true);
  });

  it("bounds what one client has at a time, and no other", () => {
    const admission = new Admission({ ...none, connectionsPerClient: 2 }, new FakeClock());
    expect([1, 2, 3].map(() => admission.enter("10.0.0.1"))).toEqual([true, true, false]);
    expect(admission.enter("10.0.0.2")).toBe(true);
    admission.leave("10.0.0.1");
    expect([1, 2].map(() => admission.enter("10.0.0.1"))).toEqual([true, false]);
  });

  it("bounds new ones a second, after a burst", async () => {
    const clock = new FakeClock();
    const admission = new Admission({ ...none, connectionsPerSecondPerClient: 10, burst: 3 }, clock);
    const enter = (times: number) => Array.from({ length: times }, () => admission.enter("10.0.0.1"));
    expect(enter(4)).toEqual([true, true, true, false]);
    await clock.advance(100);
    expect(enter(2)).toEqual([true, false]);
    await clock.advance(60_000);
    expect(enter(4)).toEqual([true, true, true, false]);
  });

  it("forgets the clients seen longest ago rather than growing for ever", () => {
    const admission = new Admission({ ...none, connectionsPerSecondPerClient: 1 }, new FakeClock());
    expect([1, 2].map(() => admission.enter("client-first"))).toEqual([true, false]);
    for (let i = 0; i < 65_536; i++) admission.enter(`client-${i}`);
    expect(admission.enter("client-first")).toBe(true);
  });
});
