import { describe, expect, it } from "vitest";
import { createWireEngine } from "#l7-router/engine/wire/engine.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import { endpointAt, testPool } from "#test/support/pool.ts";
import { Connections } from "./connections.ts";

describe("idle connections", () => {
  it("of a burst are kept up to the bound, the last ones of them, until their age is over", async () => {
    await using backend = await ScriptedBackend.start();
    const { pool, clock } = testPool({ endpoints: [{ address: backend.address }] });
    const endpoint = endpointAt(pool, 0);
    const engine = createWireEngine();
    const connections = new Connections({
      config: pool.config,
      engine,
      clock,
      random: () => 0.5,
      localAddress: undefined,
    });
    const { signal } = new AbortController();
    const burst = await Promise.all(Array.from({ length: 200 }, () => connections.connect(endpoint, 5_000, signal)));
    for (const connection of burst) connection.facts.release(connection);
    expect(burst.map(({ isUsable }) => isUsable)).toEqual(burst.map((_, i) => i >= 72));
    expect(clock.pendingCount).toBe(1); // one sweep for all
    expect(connections.take(endpoint)).toBe(burst.at(-1));
    await clock.advance(pool.config.connectionMaxAgeMs * 1.05);
    expect(burst.filter(({ isUsable }) => isUsable)).toEqual([burst.at(-1)]);
    expect(clock.pendingCount).toBe(0);
    connections.destroy();
  });
});
