import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { SentRequest } from "./connections.ts";
import type { Outcome } from "./tally.ts";
import { Traffic } from "./traffic.ts";
import type { Asks } from "./workers.ts";

const answered: Outcome = { by: "eu-west", status: 200, server: "a", failure: null, retries: 0, tookMs: 2 };
const mix = [
  { method: "GET", path: "/a", weight: 3 },
  { method: "POST", path: "/b", weight: 1 },
];

/** A client that writes down what it was asked for, and answers at once unless told to wait. */
class FakeCaller implements Asks {
  readonly asked: string[] = [];
  readonly waiting: (() => void)[] = [];
  isClosed = false;
  waits = false;

  ask({ method, path }: SentRequest): Promise<Outcome> {
    this.asked.push(`${method} ${path}`);
    if (!this.waits) return Promise.resolve(answered);
    return new Promise((resolve) => this.waiting.push(() => resolve(answered)));
  }

  close(): void {
    this.isClosed = true;
  }
}

function start(rates: Record<string, number>, more: { seed?: number; inFlightMax?: number; clients?: number } = {}) {
  const clock = new FakeClock();
  const callers = new Map<string, FakeCaller[]>();
  const sources = Object.entries(rates).map(([name, ratePerSecond]) => {
    const own = Array.from({ length: more.clients ?? 1 }, () => new FakeCaller());
    callers.set(name, own);
    return { name, ratePerSecond, callers: own };
  });
  const traffic = new Traffic({ seed: more.seed ?? 1, sources, mix, inFlightMax: more.inFlightMax ?? 100, clock });
  return { traffic, clock, of: (name: string) => callers.get(name) ?? [] };
}

const askedBy = (callers: readonly FakeCaller[]) => callers.flatMap(({ asked }) => asked);

describe("traffic", () => {
  it("comes at the rate that each country has, and is counted by country and in all", async () => {
    const { traffic, clock } = start({ DE: 20, US: 5 });
    await clock.advance(60_000);
    const { sources, total, second, ratePerSecond } = traffic.status;
    const [de = 0, us = 0] = sources.map((source) => source.total.requests);
    // Arrivals by chance: the count scatters by its square root, here four times that.
    expect(Math.abs(de - 1_200)).toBeLessThan(4 * Math.sqrt(1_200));
    expect(Math.abs(us - 300)).toBeLessThan(4 * Math.sqrt(300));
    expect(total).toMatchObject({ requests: de + us, failed: 0, answers: { "eu-west": de + us } });
    expect(ratePerSecond).toBe(25);
    expect(second.requests).toBe(sources.reduce((sum, source) => sum + source.second.requests, 0));
    await traffic.stop();
  });

  it("is the same from the same seed, whatever other countries do", async () => {
    const sent = async (rates: Record<string, number>, seed: number) => {
      const { traffic, clock, of } = start(rates, { seed });
      await clock.advance(10_000);
      await traffic.stop();
      return askedBy(of("DE"));
    };
    const alone = await sent({ DE: 20 }, 7);
    expect(alone.length).toBeGreaterThan(100);
    expect(await sent({ DE: 20, US: 20 }, 7)).toEqual(alone);
    const faster = await sent({ DE: 40 }, 7);
    expect(faster.slice(0, alone.length)).toEqual(alone);
    expect(await sent({ DE: 20 }, 8)).not.toEqual(alone);
  });

  it("is spread over the clients of a country", async () => {
    const { traffic, clock, of } = start({ DE: 100 }, { clients: 4 });
    await clock.advance(10_000);
    for (const caller of of("DE")) expect(caller.asked.length).toBeGreaterThan(150);
    await traffic.stop();
  });

  it("changes its rate while it runs: of all, of one country, and of a new one", async () => {
    const { traffic, clock, of } = start({ DE: 20, US: 10 });
    traffic.setRate(60);
    expect(traffic.status.sources.map(({ ratePerSecond }) => ratePerSecond)).toEqual([40, 20]);
    expect(traffic.setSourceRate("US", 0)).toBe(true);
    await clock.advance(5_000);
    expect(askedBy(of("US"))).toEqual([]);
    expect(askedBy(of("DE")).length).toBeGreaterThan(100);
    expect(traffic.setSourceRate("JP", 5)).toBe(false);
    const japan = new FakeCaller();
    expect(traffic.addSource({ name: "JP", ratePerSecond: 50, callers: [japan] })).toBe(true);
    expect(traffic.addSource({ name: "JP", ratePerSecond: 50, callers: [japan] })).toBe(false);
    await clock.advance(5_000);
    expect(japan.asked.length).toBeGreaterThan(100);
    await traffic.stop();
  });

  it("holds back what is due while too many are under way, and says how many", async () => {
    const { traffic, clock, of } = start({ DE: 50 }, { inFlightMax: 3 });
    const [caller] = of("DE");
    if (caller) caller.waits = true;
    await clock.advance(2_000);
    const { inFlight, held, total } = traffic.status;
    expect({ inFlight, sent: caller?.asked.length, ended: total.requests }).toEqual({ inFlight: 3, sent: 3, ended: 0 });
    expect(held).toBeGreaterThan(40);
    caller?.waiting.forEach((answer) => answer());
    await clock.advance(0);
    expect(traffic.status).toMatchObject({ total: { requests: 3 } });
    const stopped = traffic.stop();
    await clock.advance(1_000);
    await stopped;
  });

  it("does not make up for what it missed while the machine slept", async () => {
    const { traffic, clock, of } = start({ DE: 20 });
    await clock.advance(1_000);
    const before = askedBy(of("DE")).length;
    await clock.stall(60_000);
    expect(askedBy(of("DE")).length - before).toBeLessThan(5);
    await traffic.stop();
  });

  it("sends nothing after it was stopped, waits a second for what is under way, and closes every client", async () => {
    const { traffic, clock, of } = start({ DE: 20, US: 20 });
    const [caller] = of("DE");
    if (caller) caller.waits = true;
    await clock.advance(1_000);
    const sent = askedBy(of("DE")).length + askedBy(of("US")).length;
    const before = traffic.status.total.requests;
    const stopped = traffic.stop();
    traffic.setRate(500);
    await clock.advance(1_000);
    await stopped;
    caller?.waiting.forEach((answer) => answer());
    await clock.advance(10_000);
    expect(askedBy(of("DE")).length + askedBy(of("US")).length).toBe(sent);
    expect(traffic.status.total.requests).toBe(before);
    expect([...of("DE"), ...of("US")].map(({ isClosed }) => isClosed)).toEqual([true, true]);
    expect(clock.pendingCount).toBe(0);
  });
});
