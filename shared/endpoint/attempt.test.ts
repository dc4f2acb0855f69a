import { describe, expect, it } from "vitest";
import { TrafficError, assert } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { testPool } from "#test/support/pool.ts";
import { Attempts, RetryBudget, attempt } from "./attempt.ts";
import type { AttemptInfo, AttemptRecord, AttemptRequest } from "./attempt.ts";
import type { Endpoint } from "./endpoint.ts";

const refused = new TrafficError("CONNECT_FAILED", "refused", { origin: "upstream", retryable: true });
const timedOut = new TrafficError("TIMEOUT", "slow", { origin: "upstream", retryable: true });
const final = new TrafficError("UPSTREAM_INVALID", "nonsense", { origin: "upstream" });
const clientGone = new TrafficError("CLIENT_GONE", "gone", { origin: "downstream", retryable: true });

/** A pool of so many endpoints, and a request that answers attempt after attempt with `outcomes`. */
function setUp(
  endpoints: number,
  outcomes: readonly (string | Error)[],
  request: Partial<AttemptRequest & { failureOf(result: string): Reason | undefined }> = {},
) {
  const test = testPool({
    endpoints: Array.from({ length: endpoints }, (_, i) => ({ address: `10.0.0.${i + 1}:80` })),
    outlier: { consecutiveFailures: 1, ejectFor: "10s", maxEjectedPercent: 100 },
    panicThreshold: 0,
  });
  const records: AttemptRecord[] = [];
  const tries: { endpoint: Endpoint; info: AttemptInfo }[] = [];
  const tryEndpoint = (endpoint: Endpoint, info: AttemptInfo) => {
    tries.push({ endpoint, info });
    const outcome = outcomes[tries.length - 1] ?? new Error("one attempt too many");
    return typeof outcome === "string" ? Promise.resolve(outcome) : Promise.reject(outcome);
  };
  const run = () =>
    attempt(
      test.pool,
      {
        hash: 0,
        attemptsMax: 3,
        mayRetry: () => true,
        onAttempt: (record) => void records.push(record),
        ...request,
      },
      tryEndpoint,
    );
  return { ...test, run, records, tries };
}

describe("attempt", () => {
  it("gives the answer of the first endpoint that works", async () => {
    const { run, records, tries } = setUp(3, ["fine"]);
    expect(await run()).toBe("fine");
    expect(records.map(({ outcome }) => outcome)).toEqual(["OK"]);
    expect(tries[0]?.info).toEqual({ number: 1, last: false });
  });

  it("goes to an endpoint that was not tried yet", async () => {
    const { run, records, tries } = setUp(3, [refused, refused, "fine"]);
    expect(await run()).toBe("fine");
    expect(new Set(tries.map(({ endpoint }) => endpoint.id)).size).toBe(3);
    expect(records.map(({ outcome }) => outcome)).toEqual(["CONNECT_FAILED", "CONNECT_FAILED", "OK"]);
  });

  it.each([
    { name: "after so many attempts", endpoints: 5, outcomes: [refused, refused, timedOut], error: timedOut, tries: 3 },
    { name: "when nobody else is left", endpoints: 2, outcomes: [refused, timedOut], error: timedOut, tries: 2 },
    { name: "at an error that no retry can help", endpoints: 3, outcomes: [final], error: final, tries: 1 },
  ])("gives up $name", async ({ endpoints, outcomes, error, tries: expected }) => {
    const { run, tries } = setUp(endpoints, outcomes);
    await expect(run()).rejects.toBe(error);
    expect(tries).toHaveLength(expected);
  });

  it("tries no more than 16, however many the pool has and the request allows", async () => {
    const { run, tries } = setUp(
      40,
      Array.from({ length: 40 }, () => refused),
      { attemptsMax: 40 },
    );
    await expect(run()).rejects.toBe(refused);
    expect(tries).toHaveLength(16);
    expect(tries.map(({ info }) => info.last).indexOf(true)).toBe(15);
  });

  it("gives the last error when whoever was left is gone meanwhile", async () => {
    const { run, pool, records } = setUp(2, [refused], {
      mayRetry: () => {
        for (const { id } of pool.endpoints) pool.setEndpointState(id, "disabled");
        return true;
      },
    });
    await expect(run()).rejects.toBe(refused);
    expect(records).toHaveLength(1);
  });

  it("says which attempt is the last: the last allowed one, or the one at the last endpoint", async () => {
    const allowed = setUp(5, [refused, refused, refused]);
    await expect(allowed.run()).rejects.toBe(refused);
    expect(allowed.tries.map(({ info }) => info.last)).toEqual([false, false, true]);
    const alone = setUp(1, [refused]);
    await expect(alone.run()).rejects.toBe(refused);
    expect(alone.tries.map(({ info }) => info.last)).toEqual([true]);
  });

  it("asks the request whether it may be sent again", async () => {
    const asked: Reason[] = [];
    const { run, tries } = setUp(3, [refused, timedOut], {
      mayRetry: (error) => asked.push(error.reason) < 2,
    });
    await expect(run()).rejects.toBe(timedOut);
    expect(tries).toHaveLength(2);
    expect(asked).toEqual(["CONNECT_FAILED", "TIMEOUT"]);
  });

  it("says NO_HEALTHY or NO_ENDPOINT when there is nobody to try, and records it", async () => {
    const { run, pool, records } = setUp(1, []);
    pool.setEndpointState("10.0.0.1:80", "disabled");
    await expect(run()).rejects.toMatchObject({ name: "TrafficError", reason: "NO_HEALTHY" });
    expect(records).toMatchObject([{ choice: { endpoint: undefined }, outcome: "NO_HEALTHY" }]);
    await expect(setUp(0, []).run()).rejects.toMatchObject({ reason: "NO_ENDPOINT" });
  });

  it("makes no further attempt once nobody waits for the answer", async () => {
    const { run, tries } = setUp(3, [refused], { signal: AbortSignal.abort() });
    await expect(run()).rejects.toBe(refused);
    expect(tries).toHaveLength(1);
  });

  it("lets a programmer error through at once", async () => {
    const bug = new TypeError("undefined is not a function");
    const { run, tries, pool } = setUp(3, [bug]);
    await expect(run()).rejects.toBe(bug);
    expect(tries).toHaveLength(1);
    expect(pool.eligibleCount).toBe(3);
  });

  it("shows each choice before the endpoint is tried", async () => {
    const order: string[] = [];
    const { pool } = testPool({ endpoints: [{ address: "10.0.0.1:80" }, { address: "10.0.0.2:80" }] });
    await attempt(
      pool,
      {
        hash: 0,
        attemptsMax: 2,
        mayRetry: () => true,
        onChoice: (choice, tried) =>
          void order.push(`choice after ${tried.length}: ${pool.describe(choice, tried).reason}`),
      },
      (_endpoint, { number }) => {
        order.push("try");
        return number === 1 ? Promise.reject(refused) : Promise.resolve();
      },
    );
    expect(order).toEqual(["choice after 0: OK", "try", "choice after 1: OK", "try"]);
  });

  it("does not touch the count of what is under way", async () => {
    const { run, pool } = setUp(2, [refused, "fine"]);
    await run();
    expect(pool.endpoints.map(({ active }) => active)).toEqual([0, 0]);
  });
});

describe("what an attempt says of its endpoint", () => {
  it.each([
    { name: "a success is none", outcome: "fine", ejected: false, result: "OK" },
    { name: "an upstream error is a failure", outcome: final, ejected: true, result: "UPSTREAM_INVALID" },
    { name: "a client that went away is no failure", outcome: clientGone, ejected: false, result: "CLIENT_GONE" },
  ])("$name", async ({ outcome, ejected, result }) => {
    const { run, pool, metrics } = setUp(1, [outcome]);
    await run().catch(() => {});
    expect(pool.endpoints[0]?.ejected).toBe(ejected);
    const labels = { pool: "web", endpoint: "10.0.0.1:80", result };
    expect(metrics.value("watershed_attempts_total", labels)).toBe(1);
  });

  it("an answer may be a failure too", async () => {
    const { run, pool, records } = setUp(1, ["503"], {
      failureOf: (answer) => (answer === "503" ? "UNHEALTHY" : undefined),
    });
    expect(await run()).toBe("503");
    expect(pool.endpoints[0]?.ejected).toBe(true);
    expect(records[0]?.outcome).toBe("OK");
  });
});

describe("retry budget of attempts", () => {
  const reset = new TrafficError("UPSTREAM_RESET", "reset", { origin: "upstream", retryable: true });
  const connectTimeout = new TrafficError("CONNECT_TIMEOUT", "silent", { origin: "upstream", retryable: true });

  it.each([
    { error: refused, retried: true },
    { error: connectTimeout, retried: true },
    { error: reset, retried: true },
    { error: timedOut, retried: false },
  ])("once it is empty, $error.reason is retried: $retried", async ({ error, retried }) => {
    const budget = new RetryBudget(0, new FakeClock());
    const { run, tries } = setUp(2, [error, "fine"], { budget });
    await run().catch(() => {});
    expect(tries).toHaveLength(retried ? 2 : 1);
  });

  it("is paid into by every request and out of by every retry that costs", async () => {
    const budget = new RetryBudget(50, new FakeClock());
    while (budget.withdraw()); // The reserve.
    expect(await Promise.allSettled([setUp(2, ["fine"], { budget }).run()])).toMatchObject([{ status: "fulfilled" }]);
    expect(await setUp(2, [timedOut, "fine"], { budget }).run()).toBe("fine");
    await expect(setUp(2, [timedOut, "fine"], { budget }).run()).rejects.toBe(timedOut);
  });
});

describe("an attempt beside the present one", () => {
  const setUpPair = (endpoints: number, request: Partial<AttemptRequest> = {}) => {
    const { pool } = testPool({
      endpoints: Array.from({ length: endpoints }, (_, i) => ({ address: `10.0.0.${i + 1}:80` })),
    });
    const records: AttemptRecord[] = [];
    const besides: boolean[] = [];
    const first = new Attempts(pool, {
      hash: 0,
      attemptsMax: 2,
      mayRetry: () => true,
      onChoice: (_choice, _tried, beside) => void besides.push(beside),
      onAttempt: (record) => void records.push(record),
      ...request,
    });
    return { first, endpoint: first.next(), records, besides };
  };

  it("is at another endpoint, and counts as one of those that may be made", () => {
    const { first, endpoint, besides, records } = setUpPair(3);
    expect(first.last).toBe(false);
    const second = first.beside();
    assert(typeof second === "object", "there is one");
    expect(second.endpoint).not.toBe(endpoint);
    expect([first.last, second.attempts.last]).toEqual([true, true]);
    expect(besides).toEqual([false, true]);
    expect(first.failed(refused)).toBe(false);
    second.attempts.succeeded(undefined);
    expect(records.map(({ choice, outcome }) => [choice.endpoint, outcome])).toEqual([
      [endpoint, "CONNECT_FAILED"],
      [second.endpoint, "OK"],
    ]);
  });

  it("either goes on with an endpoint that neither has tried", () => {
    const { first, endpoint } = setUpPair(3, { attemptsMax: 3 });
    const second = first.beside();
    assert(typeof second === "object", "there is one");
    expect(first.failed(refused)).toBe(true);
    expect(second.attempts.failed(refused)).toBe(true);
    const third = second.attempts.next();
    expect(new Set([endpoint, second.endpoint, third]).size).toBe(3);
  });

  it.each([
    { name: "a single endpoint", endpoints: 1, request: {}, says: "none left" },
    { name: "a single attempt", endpoints: 2, request: { attemptsMax: 1 }, says: "none left" },
    { name: "no budget", endpoints: 2, request: { budget: new RetryBudget(0, new FakeClock()) }, says: "no budget" },
  ])("with $name there is none: $says", ({ endpoints, request, says }) => {
    const { first } = setUpPair(endpoints, request);
    expect(first.beside()).toBe(says);
    expect(first.number).toBe(1);
  });

  it("pays into the budget once, and takes from it once", () => {
    const budget = new RetryBudget(1, new FakeClock());
    const { first } = setUpPair(2, { budget });
    first.beside();
    const left = [budget.withdraw(), budget.withdraw(), budget.withdraw()];
    expect(left).toEqual([true, true, false]); // of the three that a second has in reserve
  });
});
