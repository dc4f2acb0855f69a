import { describe, expect, it } from "vitest";
import { queryBytes } from "#test/support/dns.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { snapshotOf } from "#test/support/geodns-snapshot.ts";
import { Answerer } from "./answer.ts";
import { TraceLimit, tracesPerSecondMax } from "./trace-limit.ts";

describe("decisions that are asked to be recorded", () => {
  it("are so many a second", () => {
    const limit = new TraceLimit();
    const taken = (second: number) => Array.from({ length: 150 }, () => limit.take(second)).filter(Boolean).length;
    expect([taken(7), taken(7), taken(8)]).toEqual([tracesPerSecondMax, 0, tracesPerSecondMax]);
  });

  it("over that they are answered as if they had not asked for it", () => {
    const answerer = new Answerer(snapshotOf(), termsOf());
    const query = queryBytes({ edns: { options: [[65_001, Buffer.from("trace-0001")]] } });
    const client = { address: Uint8Array.of(127, 49, 0, 7) };
    const out = Buffer.alloc(1_232);
    const seen = Array.from({ length: tracesPerSecondMax + 1 }, () => {
      const length = answerer.answer(query, client, "udp", out);
      return { length, isTraced: answerer.isTraced, decided: answerer.decision !== undefined };
    });
    expect(seen[0]).toMatchObject({ isTraced: true, decided: true });
    expect(seen.at(-1)).toEqual({ length: seen[0]!.length, isTraced: false, decided: false });
  });
});
