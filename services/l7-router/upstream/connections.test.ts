import { describe, expect, it } from "vitest";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import { endpointAt, testPool } from "#test/support/pool.ts";
import { Connections } from "./connections.ts";

describe("idle connections", () => {
  it("of a burst are kept up to the bound, the last ones of them", async () => {
    await using backend = await ScriptedBackend.start();
    const { pool, clock } = testPool({ endpoints: [{ address: backend.address }] });
    const endpoint = endpointAt(pool, 0);
    const connections = new Connections({ config: pool.config, clock, random: () => 0.5, localAddress: undefined });
    const { signal } = new AbortController();
    const acquire = () => connections.acquire(endpoint, { fresh: false, timeoutMs: 5_000, signal });
    const burst = await Promise.all(Array.from({ length: 200 }, acquire));
    for (const connection of burst) connections.release(connection);
    expect(burst.map(({ socket }) => socket.destroyed)).toEqual(burst.map((_, i) => i < 72));
    expect(clock.pendingCount).toBe(128); // one expiry each
    expect(await acquire()).toBe(burst.at(-1));
    connections.destroy();
  });
});
