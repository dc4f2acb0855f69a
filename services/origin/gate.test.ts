import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Gate } from "./gate.ts";

const connection = {};

/** What became of the answers so far, in the order in which they went out or were given up. */
function watch(gate: Gate): { log: string[]; answer(name: string, of?: object): void } {
  const log: string[] = [];
  const answer = (name: string, of: object = connection) =>
    void gate.pass(of).then((passed) => log.push(`${name} ${passed ? "out" : "gone"}`));
  return { log, answer };
}

describe("gate", () => {
  it("lets answers out at once while it is open", async () => {
    const clock = new FakeClock();
    const { log, answer } = watch(new Gate(clock));
    answer("a");
    await clock.advance(0);
    expect(log).toEqual(["a out"]);
  });

  it("keeps answers while it hangs, and lets them out when it is opened", async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const { log, answer } = watch(gate);
    gate.hang();
    answer("a");
    await clock.advance(3_600_000);
    expect(log).toEqual([]);
    gate.open();
    await clock.advance(0);
    expect(log).toEqual(["a out"]);
  });

  it("delays each answer by the same time", async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const { log, answer } = watch(gate);
    gate.slow(500);
    answer("a");
    await clock.advance(250);
    answer("b");
    await clock.advance(249);
    expect(log).toEqual([]);
    await clock.advance(1);
    expect(log).toEqual(["a out"]);
    await clock.advance(250);
    expect(log).toEqual(["a out", "b out"]);
  });

  it("keeps an answer that was only delayed when it hangs meanwhile", async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const { log, answer } = watch(gate);
    gate.slow(500);
    answer("a");
    gate.hang();
    await clock.advance(1_000);
    expect(log).toEqual([]);
    gate.slow(100);
    await clock.advance(100);
    expect(log).toEqual(["a out"]);
  });

  it("gives up the answers of a connection that ended, and no others", async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const { log, answer } = watch(gate);
    const other = {};
    gate.hang();
    answer("a");
    answer("b", other);
    gate.forget(connection);
    await clock.advance(0);
    expect(log).toEqual(["a gone"]);
    gate.open();
    await clock.advance(0);
    expect(log).toEqual(["a gone", "b out"]);
  });

  it("pauses for its time whatever the gate does, unless the connection ends", async () => {
    const clock = new FakeClock();
    const gate = new Gate(clock);
    const log: string[] = [];
    void gate.pause(connection, 100).then((passed) => log.push(`first ${passed}`));
    gate.slow(10_000);
    gate.open();
    await clock.advance(99);
    expect(log).toEqual([]);
    await clock.advance(1);
    void gate.pause(connection, 100).then((passed) => log.push(`second ${passed}`));
    gate.forget(connection);
    await clock.advance(0);
    expect(log).toEqual(["first true", "second false"]);
    expect(clock.pendingCount).toBe(0);
  });
});
