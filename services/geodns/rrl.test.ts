import { describe, expect, it } from "vitest";
import { parseAddress, parseCidr } from "#shared/core/cidr.ts";
import { seededRandom } from "#shared/core/random.ts";
import { RateLimiter, answerKindOf, answerKinds, verdicts } from "./rrl.ts";
import type { AnswerKind, RateLimits } from "./rrl.ts";

const unlimited = { answer: undefined, nodata: undefined, nxdomain: undefined, referral: undefined, error: undefined };
const limits: RateLimits = {
  perSecond: { ...unlimited, answer: 5, nxdomain: 2, all: undefined },
  windowSeconds: 15,
  slip: 2,
  ipv4Prefix: 24,
  ipv6Prefix: 56,
  exempt: [],
  bucketsMax: 1_024,
};

/** A limiter whose verdicts are words. */
function limiterOf(changes: Partial<RateLimits> = {}, seed = 7) {
  const limiter = new RateLimiter({ ...limits, ...changes }, seed);
  const limit = (nowMs: number, client = "192.0.2.1", kind: AnswerKind = "answer") => {
    const verdict = limiter.limit(parseAddress(client)!, answerKinds.indexOf(kind), nowMs);
    return Object.entries(verdicts).find(([, code]) => code === verdict)![0];
  };
  const burst = (count: number, nowMs: number, client?: string, kind?: AnswerKind) =>
    Array.from({ length: count }, () => limit(nowMs, client, kind));
  return { limit, burst };
}
const passes = (count: number) => Array<string>(count).fill("pass");
const passed = (list: readonly string[]) => list.filter((one) => one === "pass").length;

describe("answers to one network", () => {
  it("pass up to the limit of a second; of those over it every second is cut, the others are dropped", () => {
    expect(limiterOf().burst(9, 0)).toEqual([...passes(5), "drop", "slip", "drop", "slip"]);
  });

  it.each([
    { slip: 0, over: ["drop", "drop", "drop"] },
    { slip: 1, over: ["slip", "slip", "slip"] },
    { slip: 3, over: ["drop", "drop", "slip"] },
  ])("over the limit with slip $slip: $over", ({ slip, over }) => {
    expect(limiterOf({ slip }).burst(8, 0).slice(5)).toEqual(over);
  });

  it("pass for ever at the limit", () => {
    const { limit } = limiterOf();
    for (let i = 0; i < 1_000; i++) expect([i, limit(i * 200)]).toEqual([i, "pass"]);
  });

  it("pass again once what was over the limit has been paid off", () => {
    const { burst, limit } = limiterOf();
    burst(10, 0); // 5 over
    expect(limit(999)).not.toBe("pass");
    expect(limit(2_000)).toBe("pass");
  });

  it("stay limited for a window at most, however many were asked for", () => {
    const { burst, limit } = limiterOf();
    burst(100_000, 0);
    expect(limit(14_900)).not.toBe("pass");
    expect(limit(15_500)).toBe("pass");
  });

  it("get no more than a second's worth after a long rest", () => {
    const { burst, limit } = limiterOf();
    limit(0);
    expect(passed(burst(100, 3_600_000))).toBe(5);
  });
});

describe("networks", () => {
  it.each([
    { one: "192.0.2.1", other: "192.0.2.254", same: true },
    { one: "192.0.2.1", other: "192.0.3.1", same: false },
    { one: "2001:db8:0:1::1", other: "2001:db8:0:ff::9", same: true },
    { one: "2001:db8:0:1::1", other: "2001:db8:0:100::1", same: false },
  ])("$one and $other share their limit: $same", ({ one, other, same }) => {
    const { burst, limit } = limiterOf();
    burst(6, 0, one);
    expect(limit(0, other) !== "pass").toBe(same);
  });

  it("of any prefix, by its bits", () => {
    const { burst, limit } = limiterOf({ ipv4Prefix: 27 });
    burst(6, 0, "192.0.2.1");
    expect([limit(0, "192.0.2.31"), limit(0, "192.0.2.32")]).toEqual(["slip", "pass"]);
  });

  it("that are exempt are never limited", () => {
    const { burst } = limiterOf({ exempt: [parseCidr("192.0.2.0/28")!] });
    expect(burst(50, 0, "192.0.2.1")).toEqual(passes(50));
    expect(burst(50, 0, "192.0.2.17")).not.toEqual(passes(50));
  });
});

describe("kinds of answers", () => {
  it("have limits of their own, or none", () => {
    const { burst } = limiterOf();
    expect(passed(burst(50, 0, "192.0.2.1", "nxdomain"))).toBe(2);
    expect(passed(burst(50, 0, "192.0.2.1", "error"))).toBe(50);
    expect(passed(burst(50, 0, "192.0.2.1", "answer"))).toBe(5);
  });

  it("have a limit together", () => {
    const { burst } = limiterOf({ perSecond: { ...limits.perSecond, all: 8 } });
    expect(passed(burst(10, 0, "192.0.2.1", "nodata"))).toBe(8);
    expect(passed(burst(10, 0, "192.0.2.1", "answer"))).toBe(0);
    expect(passed(burst(10, 0, "198.51.100.1", "answer"))).toBe(5);
  });

  const message = (flags: number, answers: number, authority: number) =>
    Uint8Array.of(0, 1, flags >> 8, flags & 0xff, 0, 1, 0, answers, 0, authority, 0, 1);
  it.each([
    { name: "records", reply: message(0x8400, 2, 0), kind: "answer" },
    { name: "no record of the type", reply: message(0x8400, 0, 1), kind: "nodata" },
    { name: "no such name", reply: message(0x8403, 0, 1), kind: "nxdomain" },
    { name: "name servers below", reply: message(0x8000, 0, 2), kind: "referral" },
    { name: "REFUSED", reply: message(0x8005, 0, 0), kind: "error" },
    { name: "FORMERR", reply: message(0x8001, 0, 0), kind: "error" },
    { name: "BADVERS, whose code is in the OPT", reply: message(0x8000, 0, 0), kind: "error" },
  ])("$name counts as $kind", ({ reply, kind }) => {
    expect(answerKinds[answerKindOf(reply)]).toBe(kind);
  });
});

describe("a flood from every network there is", () => {
  it("takes no more memory, and a network that goes on asking stays limited", () => {
    const random = seededRandom(3);
    const { burst, limit } = limiterOf({ bucketsMax: 64 });
    burst(20, 0);
    let limited = 0;
    for (let i = 0; i < 2_000; i++) {
      const other = `${Math.floor(random() * 224)}.${Math.floor(random() * 256)}.${Math.floor(random() * 256)}.1`;
      expect(limit(i / 10, other)).toBe("pass");
      if (i % 3 === 0 && limit(i / 10) !== "pass") limited++;
    }
    expect(limited).toBe(667);
  });
});
