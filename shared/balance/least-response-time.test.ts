import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { FakeCandidate, candidatesOf, nextIds } from "#test/support/candidates.ts";
import { createLeastResponseTime } from "./least-response-time.ts";
import { PeakEwma } from "./peak-ewma.ts";

const request = { nowMs: 0, hash: 0, tried: [] };

function withLatencies(latenciesMs: readonly number[], weights = latenciesMs.map(() => 1)): FakeCandidate[] {
  const candidates = candidatesOf(weights);
  candidates.forEach((candidate, i) => (candidate.measuredMs = latenciesMs[i]!));
  return candidates;
}

class TimedServer extends FakeCandidate {
  readonly #ewma = new PeakEwma();
  readonly serviceMs: number;
  served = 0;

  constructor(id: string, serviceMs: number) {
    super(id);
    this.serviceMs = serviceMs;
  }

  override latencyMs(nowMs?: number): number {
    return this.#ewma.valueMs(nowMs ?? 0);
  }

  answer(tookMs: number, nowMs: number): void {
    this.active--;
    this.served++;
    this.#ewma.observe(tookMs, nowMs);
  }
}

/** Millisecond by millisecond: requests arrive by chance, each is answered after the time of its server ±20 %. */
function simulate(servers: readonly TimedServer[], options: { perMs: number; durationMs: number }): void {
  const random = seededRandom(5);
  const picker = createLeastResponseTime(random);
  picker.rebuild(servers);
  const answers = new Map<number, (() => void)[]>();
  for (let nowMs = 0; nowMs < options.durationMs; nowMs++) {
    for (const answer of answers.get(nowMs) ?? []) answer();
    if (random() >= options.perMs) continue;
    const server = servers[picker.pick({ nowMs, hash: 0, tried: [] })]!;
    const tookMs = Math.ceil(server.serviceMs * (0.8 + 0.4 * random()));
    server.active++;
    answers.set(nowMs + tookMs, [...(answers.get(nowMs + tookMs) ?? []), () => server.answer(tookMs, nowMs + tookMs)]);
  }
}

describe("least-response-time", () => {
  it("picks the shortest expected wait: latency × (active + 1) / weight", () => {
    const loaded = withLatencies([10, 15]);
    loaded[0]!.active = 1;
    const cases = [
      { candidates: withLatencies([20, 10]), picked: 1 },
      { candidates: withLatencies([20, 15], [2, 1]), picked: 0 },
      { candidates: loaded, picked: 1 },
    ];
    for (const { candidates, picked } of cases) {
      const picker = createLeastResponseTime(() => 0);
      picker.rebuild(candidates);
      expect(picker.pick(request)).toBe(picked);
    }
  });

  it("tries an unmeasured one first, then no more than its share until it has answered", () => {
    const picker = createLeastResponseTime(() => 0);
    const candidates = withLatencies([10, 10, 0]);
    picker.rebuild(candidates);
    const counts = [0, 0, 0];
    for (let k = 0; k < 30; k++) {
      const i = picker.pick(request);
      if (k === 0) expect(i).toBe(2);
      counts[i]! += 1;
      candidates[i]!.active++;
    }
    expect(counts).toEqual([10, 10, 10]);
  });

  it("is not drawn to one that fails at once and so is never measured: one try a second", () => {
    const picker = createLeastResponseTime(() => 0);
    const candidates = withLatencies([5, 20, 0]);
    picker.rebuild(candidates);
    let tries = 0;
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) if (picker.pick({ ...request, nowMs }) === 2) tries++;
    expect(tries).toBe(10);
  });

  it("sends nothing more to an unmeasured one that hangs while others answer", () => {
    const picker = createLeastResponseTime(() => 0);
    const candidates = withLatencies([5, 20, 0]);
    candidates[2]!.active = 1;
    picker.rebuild(candidates);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) expect(picker.pick({ ...request, nowMs })).toBe(0);
  });

  it("goes by what is under way and weight while nothing is measured", () => {
    const picker = createLeastResponseTime(() => 0);
    const candidates = candidatesOf([2, 1, 1]);
    picker.rebuild(candidates);
    expect(nextIds(picker, candidates, 4)).toBe("a b c a");
    candidates[0]!.active = 1;
    expect(nextIds(picker, candidates, 2).split(" ")).not.toContain("a");
  });

  it("leaves a server that is 10 × slow less than half its share within 5 s, and tries it again now and then", () => {
    const servers = [10, 10, 10, 100].map((serviceMs, i) => new TimedServer(`s${i}`, serviceMs));
    simulate(servers, { perMs: 0.5, durationMs: 5_000 });
    const total = servers.reduce((sum, { served }) => sum + served, 0);
    const shares = servers.map(({ served }) => served / total);
    expect(total).toBeGreaterThan(2_000);
    expect(shares[3]).toBeLessThan(0.125);
    expect(servers[3]!.served).toBeGreaterThan(0);
    for (const share of shares.slice(0, 3)) expect(share).toBeGreaterThan(0.25);
  });
});
