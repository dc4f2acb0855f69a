import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { engines } from "#l7-router/engine/registry.ts";
import type { Exchange, UpstreamAnswer } from "#l7-router/engine/engine.ts";
import { Connections } from "#l7-router/upstream/connections.ts";
import type { UpstreamConnection } from "#l7-router/upstream/connection.ts";
import { TrafficError } from "#shared/core/error.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";
import { endpointAt, testPool } from "#test/support/pool.ts";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const gone = new TrafficError("CLIENT_GONE", "the client left", { origin: "downstream" });

/** What an exchange does with its connection. */
export function describeExchanges(name: EngineName): void {
  describe("exchanges", () => {
    it("one that is cancelled after its end leaves the next one on its connection alone", async () => {
      const held: SeenRequest[] = [];
      await using backend = await ScriptedBackend.start({
        onRequest: (request) => {
          if (held.push(request) === 1) request.socket.write(ok);
        },
      });
      const connections = connectionsTo(backend);
      const [first, connection] = await exchangeOn(name, connections);
      await wholeBody(await first.answer);
      const [second, reused] = await exchangeOn(name, connections);
      expect(reused).toBe(connection);
      first.cancel(gone);
      await backend.until(() => held.length === 2);
      held[1]?.socket.write(ok);
      expect(await wholeBody(await second.answer)).toBe("ok");
      connections.all.destroy();
    });

    it("one that is cancelled on its way ends its connection", async () => {
      await using backend = await ScriptedBackend.start({ onRequest: () => {} });
      const connections = connectionsTo(backend);
      const [exchange] = await exchangeOn(name, connections);
      exchange.cancel(gone);
      await expect(exchange.answer).rejects.toBe(gone);
      await backend.until(() => backend.sockets.every((socket) => socket.destroyed));
    });
  });
}

function connectionsTo(backend: ScriptedBackend) {
  const { pool, clock } = testPool({ endpoints: [{ address: backend.address }] });
  const all = new Connections({ config: pool.config, clock, random: () => 0.5, localAddress: undefined });
  return { all, endpoint: endpointAt(pool, 0) };
}

/** A GET on a connection that is kept once the exchange is through. */
async function exchangeOn(
  name: EngineName,
  { all, endpoint }: ReturnType<typeof connectionsTo>,
): Promise<[Exchange, UpstreamConnection]> {
  const { signal } = new AbortController();
  const connection = await all.acquire(endpoint, { fresh: false, timeoutMs: 5_000, signal });
  const request = {
    method: "GET",
    target: "/",
    headers: ["Host", "a"],
    body: undefined,
    trailers: () => [],
    upgrade: false,
  };
  const events = { onInformation: () => {}, onFree: () => all.release(connection) };
  return [engines[name]().exchange(connection, request, events), connection];
}

/** Resolves once the connection is free. */
async function wholeBody(answer: Awaited<Exchange["answer"]>): Promise<string> {
  let text = "";
  for await (const chunk of (answer as UpstreamAnswer).body) text += String(chunk);
  await new Promise((resolve) => void setImmediate(resolve)); // as late as an engine may say so
  return text;
}
