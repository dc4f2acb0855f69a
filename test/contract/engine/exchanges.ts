import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { engines } from "#l7-router/engine/registry.ts";
import type { UpstreamRequest, UpstreamTaker } from "#l7-router/engine/engine.ts";
import { Connections } from "#l7-router/upstream/connections.ts";
import type { UpstreamConnection } from "#l7-router/upstream/connection.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";
import { endpointAt, testPool } from "#test/support/pool.ts";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const request: UpstreamRequest = {
  method: "GET",
  target: "/",
  headers: ["Host", "a"],
  framing: { kind: "none" },
  upgrade: false,
};

/** What an exchange does with its connection. */
export function describeExchanges(name: EngineName): void {
  describe("exchanges", () => {
    it("one that is cancelled after its end leaves the next one on its connection alone", async () => {
      const held: SeenRequest[] = [];
      await using backend = await ScriptedBackend.start({
        onRequest: (seen) => {
          if (held.push(seen) === 1) seen.socket.write(ok);
        },
      });
      using connections = connectionsTo(name, backend);
      const first = new Listening();
      const connection = await connections.open();
      exchange(connection, first);
      expect(await first.whole).toBe("ok");
      const reused = await connections.kept();
      expect(reused).toBe(connection);
      const second = new Listening();
      exchange(reused, second);
      connection.cancel(first);
      await backend.until(() => held.length === 2);
      held[1]?.socket.write(ok);
      expect(await second.whole).toBe("ok");
    });

    it("one that is cancelled on its way ends its connection and hears nothing more", async () => {
      await using backend = await ScriptedBackend.start({ onRequest: () => {} });
      using connections = connectionsTo(name, backend);
      const taker = new Listening();
      const connection = await connections.open();
      exchange(connection, taker);
      connection.cancel(taker);
      await backend.until(() => backend.sockets.every((socket) => socket.destroyed));
      expect([connection.isUsable, taker.heard]).toEqual([false, []]);
    });
  });
}

/** Notes what it hears. */
class Listening implements UpstreamTaker {
  readonly heard: string[] = [];
  readonly whole: Promise<string>;
  #body = "";
  #resolve: (body: string) => void = () => {};

  constructor() {
    this.whole = new Promise((resolve) => (this.#resolve = resolve));
  }

  onAnswer(): void {
    this.heard.push("answer");
  }

  onAnswerBody(chunk: Buffer): void {
    this.#body += chunk.toString();
  }

  onAnswerEnd(): void {
    this.#resolve(this.#body);
  }

  onServerError(): void {
    this.heard.push("error");
  }

  onInformation(): void {}
  onAnswerFlush(): void {}
  onServerRoom(): void {}
  onUpgrade(): void {}
}

function exchange(connection: UpstreamConnection, taker: UpstreamTaker): void {
  connection.send(request, taker);
  connection.flush();
}

function connectionsTo(name: EngineName, backend: ScriptedBackend) {
  const { pool, clock } = testPool({ endpoints: [{ address: backend.address }] });
  const engine = engines[name]();
  const all = new Connections({ config: pool.config, engine, clock, random: () => 0.5, localAddress: undefined });
  const endpoint = endpointAt(pool, 0);
  const { signal } = new AbortController();
  return {
    open: () => all.connect(endpoint, 5_000, signal),
    /** As late as an engine may say that a connection is free. */
    kept: async () => {
      await new Promise((resolve) => void setImmediate(resolve));
      const connection = all.take(endpoint);
      if (!connection) throw new Error("no connection was kept");
      return connection;
    },
    [Symbol.dispose]: () => all.destroy(),
  };
}
