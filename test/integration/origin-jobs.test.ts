import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startOrigin } from "#test/support/origin.ts";

type Origin = Awaited<ReturnType<typeof startOrigin>>;
let origin: Origin;

beforeAll(async () => {
  origin = await startOrigin([
    { name: "one", service: "jobs" },
    { name: "two", service: "jobs", jobs: { slots: 2 } },
    { name: "quick", service: "jobs", jobs: { speed: 4 } },
  ]);
});
afterAll(() => origin.service.close());

interface Job {
  readonly ahead: number;
  readonly waitedMs: number;
  readonly workMs: number;
}

async function job(server: string, query = "?work=30ms", signal?: AbortSignal): Promise<Job> {
  const response = await fetch(origin.url(server, `/${query}`), signal ? { signal } : {});
  expect(response.status).toBe(200);
  return ((await response.json()) as { job: Job }).job;
}

const together = async (server: string, count: number) =>
  (await Promise.all(Array.from({ length: count }, () => job(server)))).toSorted((a, b) => a.ahead - b.ahead);

describe("a server of service jobs", () => {
  it("does one job at a time, the others wait in their order", async () => {
    const jobs = await together("one", 4);
    expect(jobs.map(({ ahead }) => ahead)).toEqual([0, 1, 2, 3]);
    for (const { ahead, waitedMs } of jobs) expect(waitedMs).toBeGreaterThanOrEqual(ahead * 29); // timers may fire 1 ms early
    expect(jobs[0]?.waitedMs).toBeLessThan(29);
  });

  it("does as many at a time as it has slots", async () => {
    const jobs = await together("two", 4);
    expect(jobs.filter(({ waitedMs }) => waitedMs < 25)).toHaveLength(2);
  });

  it("takes the time of a job divided by its speed", async () => {
    expect((await job("quick", "?work=40ms")).workMs).toBe(10);
    expect((await job("quick", "?work=soon")).workMs).toBe(2.5);
  });

  it("passes the slot of a client that left on to the next", async () => {
    const leaving = new AbortController();
    const left = job("one", "?work=60s", leaving.signal).catch((error: unknown) => error);
    await expect.poll(async () => (await origin.get("/servers/one")).body["working"]).toBe(1);
    const next = job("one", "?work=1ms");
    leaving.abort();
    expect(await left).toMatchObject({ name: "AbortError" });
    expect((await next).workMs).toBe(1);
  });

  it("answers its health check at once, however many wait", async () => {
    const waiting = together("one", 3);
    expect((await fetch(origin.url("one", "/health"))).status).toBe(200);
    await waiting;
  });
});
