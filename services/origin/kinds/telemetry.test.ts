import { describe, expect, it } from "vitest";
import { systemClock } from "#shared/core/clock.ts";
import { testHost } from "#test/support/host.ts";
import { Gate } from "../gate.ts";
import { TelemetryKind } from "./telemetry.ts";

function createSink() {
  const { log, clock, random } = testHost();
  const gate = new Gate(systemClock);
  const identity = { server: "telemetry-1", service: "telemetry", zone: null, region: null };
  const jobs = { slots: 1, speed: 1 };
  const context = { identity, host: "127.0.0.1", clock, random, log, gate, jobs, draining: false, answered: () => {} };
  return { gate, sink: new TelemetryKind(context) };
}

const noAnswer = () => {
  throw new Error("a counter is not answered");
};

describe("telemetry sink", () => {
  it.each([
    { name: "adds up a counter", datagrams: ["play:1|c", "play:2|c"], counters: { play: 3 }, malformed: 0 },
    { name: "reads one counter a line", datagrams: ["a:1|c\nb:2|c\n"], counters: { a: 1, b: 2 }, malformed: 0 },
    { name: "counts back", datagrams: ["a:5|c", "a:-2|c"], counters: { a: 3 }, malformed: 0 },
    { name: "scales a sampled counter up", datagrams: ["a:1|c|@0.1"], counters: { a: 10 }, malformed: 0 },
    { name: "takes tags and ignores them", datagrams: ["a:1|c|#zone:x"], counters: { a: 1 }, malformed: 0 },
    { name: "counts other types as malformed", datagrams: ["a:1|g", "a:1|ms"], counters: {}, malformed: 2 },
    {
      name: "counts noise as malformed",
      datagrams: ["\u0000\u00ff", "a:|c", ":1|c", "a:1e9|c", "a:1|c|@0.0"],
      counters: {},
      malformed: 5,
    },
    { name: "counts an empty datagram as nothing", datagrams: [""], counters: {}, malformed: 0 },
  ])("$name", ({ datagrams, counters, malformed }) => {
    const { sink } = createSink();
    for (const datagram of datagrams) sink.receive(Buffer.from(datagram, "latin1"), noAnswer);
    expect(sink.status()).toEqual({ datagrams: datagrams.length, malformed, refused: 0, counters });
  });

  it("keeps no more than a thousand names", () => {
    const { sink } = createSink();
    for (let i = 0; i < 1_500; i++) sink.receive(Buffer.from(`made-up-${i}:1|c`), noAnswer);
    sink.receive(Buffer.from("made-up-0:1|c"), noAnswer);
    const { counters, refused } = sink.status() as { counters: Record<string, number>; refused: number };
    expect(Object.keys(counters)).toHaveLength(1_000);
    expect(refused).toBe(500);
    expect(counters["made-up-0"]).toBe(2);
  });

  it("answers a check, and counts it as nothing", () => {
    const { sink, gate } = createSink();
    const answers: string[] = [];
    const check = () => sink.receive(Buffer.from("health"), (text) => void answers.push(text));
    check();
    gate.hang();
    check();
    expect(answers).toEqual(["ok"]);
    expect(sink.status()).toMatchObject({ datagrams: 0, malformed: 0 });
  });

  it("loses what comes while it hangs", () => {
    const { sink, gate } = createSink();
    gate.hang();
    sink.receive(Buffer.from("a:1|c"), noAnswer);
    gate.open();
    sink.receive(Buffer.from("a:1|c"), noAnswer);
    expect(sink.status()).toMatchObject({ datagrams: 1, counters: { a: 1 } });
  });
});
