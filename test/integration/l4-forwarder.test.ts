import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { DeafServer } from "#test/support/deaf-server.ts";
import { TestForwarder, quickChecks } from "#test/support/forwarder.ts";
import {
  TcpServer,
  closed,
  connect,
  echo,
  greetAndEcho,
  nameOf,
  nextEvent,
  outcome,
  read,
  readLine,
  refusal,
} from "#test/support/tcp.ts";

const host = "127.66.4.1"; // apart from whatever else listens on this machine

function config(
  servers: readonly TcpServer[],
  more: { pool?: object; listener?: object; [key: string]: unknown } = {},
) {
  const { pool, listener, ...rest } = more;
  return {
    listeners: [{ address: `${host}:0`, pool: "web", ...listener }],
    pools: { web: { panicThreshold: 0, endpoints: servers.map(({ address }) => ({ address })), ...pool } },
    ...rest,
  };
}

describe("a connection", () => {
  it("carries 10 MB each way, unchanged", async () => {
    await using server = await TcpServer.start(echo, host);
    await using forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address);
    const bytes = randomBytes(10_000_000);
    client.end(bytes);
    const answer = await outcome(client);
    expect(answer.end).toBe("end");
    expect(sha256(answer.bytes)).toBe(sha256(bytes));
  });

  it("carries single bytes at once", async () => {
    await using server = await TcpServer.start(echo, host);
    await using forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address);
    for (let i = 0; i < 200; i++) {
      client.write(Uint8Array.of(i));
      expect((await read(client, 1))[0]).toBe(i);
    }
    client.destroy();
  });

  it("lets a client end its side and still get the whole answer", async () => {
    await using server = await TcpServer.start((socket) => {
      void outcome(socket).then(({ bytes }) => socket.end(`got ${bytes.length} bytes`));
    }, host);
    await using forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address);
    client.end("question");
    expect(await outcome(client)).toEqual({ bytes: Buffer.from("got 8 bytes"), end: "end" });
  });

  it("lets a server end its side and still hear the client", async () => {
    const heard = Promise.withResolvers<string>();
    await using server = await TcpServer.start((socket) => {
      socket.end("bye");
      void outcome(socket).then(({ bytes }) => heard.resolve(bytes.toString()));
    }, host);
    await using forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address);
    expect(await outcome(client)).toEqual({ bytes: Buffer.from("bye"), end: "end" });
    client.end("last words");
    expect(await heard.promise).toBe("last words");
  });

  it("carries a client's reset to the server, and a server's reset to the client", async () => {
    const ends: Promise<string>[] = [];
    await using server = await TcpServer.start((socket) => {
      socket.write("hello");
      if (ends.length === 1) socket.once("data", () => socket.resetAndDestroy());
      ends.push(outcome(socket).then(({ end }) => end));
    }, host);
    await using forwarder = await TestForwarder.start(config([server]));
    const { address } = forwarder.listener("web");
    const first = await connect(address);
    await read(first, 5);
    first.resetAndDestroy();
    expect(await ends[0]).toBe("reset");
    const second = await connect(address);
    await read(second, 5);
    second.write("x");
    expect((await outcome(second)).end).toBe("reset");
    await forwarder.service.finish();
    const count = (reason: string) =>
      forwarder.metrics.value("watershed_l4_connections_total", { listener: address, pool: "web", reason });
    expect([count("CLIENT_GONE"), count("UPSTREAM_RESET")]).toEqual([1, 1]);
  });

  it("holds little for a client that reads slowly", async () => {
    const bytes = randomBytes(8_000_000);
    await using server = await TcpServer.start((socket) => socket.end(bytes), host);
    await using forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address);
    const id = nameOf(client);
    const hash = createHash("sha256");
    let held = 0;
    for await (const chunk of client as AsyncIterable<Buffer>) {
      hash.update(chunk);
      held = Math.max(held, Number((await forwarder.service.findDecision(id))?.["heldDown"] ?? 0));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(hash.digest("hex")).toBe(sha256(bytes));
    expect(held).toBeLessThanOrEqual(256 * 1_024);
    client.destroy();
  });

  it("is reset on both sides at the idle limit", async () => {
    const ended = Promise.withResolvers<string>();
    await using server = await TcpServer.start((socket) => {
      void outcome(socket).then(({ end }) => ended.resolve(end));
    }, host);
    await using forwarder = await TestForwarder.start(config([server], { timeouts: { idle: "30ms" } }));
    const client = await connect(forwarder.listener("web").address);
    const name = nameOf(client);
    expect((await outcome(client)).end).toBe("reset");
    expect(await ended.promise).toBe("reset");
    await forwarder.service.finish();
    expect(await forwarder.service.findDecision(name)).toMatchObject({ reason: "IDLE" });
  });

  it("is one of 500 at the same time, each with its own bytes", async () => {
    await using one = await TcpServer.start(echo, host);
    await using two = await TcpServer.start(echo, host);
    await using forwarder = await TestForwarder.start(config([one, two], { pool: { balance: "least-connections" } }));
    const { address } = forwarder.listener("web");
    const clients = await Promise.all(Array.from({ length: 500 }, () => connect(address)));
    const first = await Promise.all(
      clients.map((client, i) => {
        client.write(String(i).padStart(8));
        return read(client, 8);
      }),
    );
    expect(first.map(String)).toEqual(clients.map((_, i) => String(i).padStart(8)));
    expect(forwarder.listener("web").active).toBe(500);
    expect(Math.abs(one.sockets.size - two.sockets.size)).toBeLessThanOrEqual(2);
    clients.forEach((client, i) => client.end(`bye ${i}`));
    const last = await Promise.all(clients.map(outcome));
    expect(last.map(({ bytes }) => String(bytes))).toEqual(clients.map((_, i) => `bye ${i}`));
    await forwarder.service.finish();
    expect(forwarder.listener("web").active).toBe(0);
    expect([...forwarder.service.pools()].flatMap((pool) => pool.endpoints.map(({ active }) => active))).toEqual([
      0, 0,
    ]);
    expect(forwarder.metrics.value("watershed_l4_bytes_total", { listener: address, direction: "up" })).toBe(
      500 * 8 + last.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
  });
});

describe("when servers refuse", () => {
  it("the next one is tried, until one answers, and the client notices nothing", async () => {
    await using dead = await TcpServer.start(echo, host);
    await using gone = await TcpServer.start(echo, host);
    await using alive = await TcpServer.start(greetAndEcho("alive"), host);
    await Promise.all([dead.stop(), gone.stop()]);
    await using forwarder = await TestForwarder.start(config([dead, gone, alive]));
    const outcomes: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const client = await connect(forwarder.listener("web").address);
      const name = nameOf(client);
      client.end("early bytes");
      expect((await outcome(client)).bytes.toString()).toBe("alive\nearly bytes");
      const decision = (await forwarder.service.findDecision(name)) as {
        server: string;
        attempts: { outcome: string }[];
      };
      expect(decision.server).toBe(alive.address);
      outcomes.push(decision.attempts.map((attempt) => attempt.outcome).join());
    }
    for (const each of outcomes) expect(each).toMatch(/^(CONNECT_FAILED,){0,2}OK$/);
    expect(outcomes).toContain("CONNECT_FAILED,CONNECT_FAILED,OK");
  });

  it("all of them: the client is reset, the listener closes once checks say so, and opens again when one heals", async () => {
    await using server = await TcpServer.start(greetAndEcho("back"), host);
    const forwarder = await TestForwarder.start(config([server], { pool: { health: quickChecks } }));
    await using _ = forwarder;
    if (!forwarder.listener("web").open) await nextEvent(forwarder.events, "listener_open");
    const { address } = forwarder.listener("web");
    const old = await connect(address);
    expect(await readLine(old)).toBe("back");

    const closing = nextEvent(forwarder.events, "listener_closed", { pool: "web", reason: "NO_HEALTHY" });
    await server.stop();
    const unlucky = await connect(address);
    const name = nameOf(unlucky);
    expect((await outcome(unlucky)).end).toBe("reset");
    expect(await forwarder.service.findDecision(name)).toMatchObject({
      reason: "CONNECT_FAILED",
    });
    expect(await closing).toMatchObject({ listener: address });
    expect(await refusal(address)).toBe("ECONNREFUSED");
    expect(forwarder.listener("web")).toMatchObject({ address, open: false, reason: "NO_HEALTHY" });
    old.write("still here");
    expect((await read(old, 10)).toString()).toBe("still here");

    const opening = nextEvent(forwarder.events, "listener_open", { pool: "web" });
    await server.start();
    await opening;
    expect(forwarder.listener("web")).toMatchObject({ address, open: true, reason: "OK" });
    expect(await readLine(await connect(address))).toBe("back");
  });

  it("a listener whose servers are down from the start never opens, and the node is ready", async () => {
    await using server = await TcpServer.start(echo, host);
    await server.stop();
    const forwarder = await TestForwarder.start(config([server], { pool: { health: quickChecks } }));
    await using _ = forwarder;
    expect(forwarder.service.notReady()).toBe("STARTING");
    await Promise.all([...forwarder.service.pools()].map((pool) => pool.firstRound));
    await new Promise((resolve) => setImmediate(resolve));
    expect(forwarder.service.notReady()).toBeUndefined();
    expect(forwarder.listener("web").open).toBe(false);
    expect(await refusal(forwarder.listener("web").address)).toBe("ECONNREFUSED");
  });
});

describe("when servers do not answer the connect", () => {
  it("the next one is tried after the connect limit", async () => {
    await using deaf = await DeafServer.start(host);
    await using alive = await TcpServer.start(greetAndEcho("alive"), host);
    await using forwarder = await TestForwarder.start(
      config([], {
        pool: { endpoints: [deaf, alive].map(({ address }) => ({ address })) },
        timeouts: { connect: "20ms" },
      }),
    );
    const attempts: unknown[] = [];
    for (let i = 0; i < 2; i++) {
      const client = await connect(forwarder.listener("web").address);
      expect(await readLine(client)).toBe("alive");
      attempts.push((await forwarder.service.findDecision(nameOf(client)))?.["attempts"]);
    }
    expect(attempts).toContainEqual([
      expect.objectContaining({ outcome: "CONNECT_TIMEOUT" }),
      expect.objectContaining({ outcome: "OK" }),
    ]);
  });

  it("no new try begins after the limit of all tries", async () => {
    await using deaf = await DeafServer.start(host);
    await using other = await DeafServer.start(host);
    const endpoints = [deaf, other].map(({ address }) => ({ address }));
    const timeouts = { connect: "1s", connectTotal: "20ms" };
    await using forwarder = await TestForwarder.start(config([], { pool: { endpoints }, timeouts }));
    const client = await connect(forwarder.listener("web").address);
    const name = nameOf(client);
    expect((await outcome(client)).end).toBe("reset");
    await forwarder.service.finish();
    const decision = await forwarder.service.findDecision(name);
    expect(decision).toMatchObject({ reason: "CONNECT_TIMEOUT", attempts: [{ outcome: "CONNECT_TIMEOUT" }] });
  });

  it("a client that resets meanwhile ends the dial, and nobody is blamed", async () => {
    await using deaf = await DeafServer.start(host);
    const pool = {
      endpoints: [{ address: deaf.address }],
      outlier: { consecutiveFailures: 1, maxEjectedPercent: 100 },
    };
    await using forwarder = await TestForwarder.start(config([], { pool, timeouts: { connect: "1h" } }));
    const client = await connect(forwarder.listener("web").address);
    const name = nameOf(client);
    client.write("early", () => client.resetAndDestroy());
    await closed(client);
    await forwarder.service.finish();
    expect(await forwarder.service.findDecision(name)).toMatchObject({ reason: "CLIENT_GONE" });
    const [endpoint] = [...forwarder.service.pools()].flatMap(({ endpoints }) => endpoints);
    expect(endpoint).toMatchObject({ active: 0, eligible: true });
  });
});

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
