import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { start } from "#l4-forwarder/main.ts";
import type { Choice } from "#shared/endpoint/status.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { TestForwarder, quickChecks } from "#test/support/forwarder.ts";
import { testHost } from "#test/support/host.ts";
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
      held = Math.max(held, Number(forwarder.service.findDecision(id)?.["heldDown"] ?? 0));
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
    expect(forwarder.service.findDecision(name)).toMatchObject({ reason: "IDLE" });
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
      const decision = forwarder.service.findDecision(name) as { server: string; attempts: { outcome: string }[] };
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
    expect(forwarder.service.findDecision(name)).toMatchObject({
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

describe("drain", () => {
  it("of an endpoint sends new connections elsewhere and leaves the old; of all of them it closes the listener", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    await using forwarder = await TestForwarder.start(config([one, two]));
    const { address } = forwarder.listener("web");
    const [pool] = forwarder.service.pools();
    const old = await connect(address);
    const [first, other] = (await readLine(old)) === "one" ? [one, two] : [two, one];
    pool?.setEndpointState(first.address, "draining");
    for (let i = 0; i < 4; i++) expect(await readLine(await connect(address))).toBe(other === one ? "one" : "two");
    old.write("x");
    expect((await read(old, 1)).toString()).toBe("x");
    const closing = nextEvent(forwarder.events, "listener_closed");
    pool?.setEndpointState(other.address, "draining");
    await closing;
    expect(await refusal(address)).toBe("ECONNREFUSED");
    const opening = nextEvent(forwarder.events, "listener_open");
    pool?.setEndpointState(one.address, "enabled");
    await opening;
    expect(await readLine(await connect(address))).toBe("one");
  });

  it("of the node: it says so, still accepts, and finishes when the last connection ends", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(config([server]));
    const { address } = forwarder.listener("web");
    const client = await connect(address);
    await readLine(client);
    forwarder.service.drain();
    expect(forwarder.service.notReady()).toBe("DRAINING");
    const late = await connect(address);
    expect(await readLine(late)).toBe("one");
    late.destroy();
    const finished = forwarder.service.finish();
    expect(await nextEvent(forwarder.events, "listener_closed")).toMatchObject({ reason: "DRAINING" });
    expect(await refusal(address)).toBe("ECONNREFUSED");
    client.end("bye");
    expect((await outcome(client)).bytes.toString()).toBe("bye");
    await finished;
  });

  it("cut short resets what is left", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    const forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address);
    await readLine(client);
    const name = nameOf(client);
    const [end] = await Promise.all([outcome(client), forwarder.service.close()]);
    expect(end.end).toBe("reset");
    expect(forwarder.service.findDecision(name)).toMatchObject({ reason: "DRAINING" });
  });
});

describe("reload", () => {
  it("keeps listeners and connections, and sends new ones to the new servers", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    await using forwarder = await TestForwarder.start(config([one]));
    const { address } = forwarder.listener("web");
    const old = await connect(address);
    expect(await readLine(old)).toBe("one");
    await forwarder.reload(config([two]));
    expect(forwarder.listener("web").address).toBe(address);
    expect(await readLine(await connect(address))).toBe("two");
    old.write("x");
    expect((await read(old, 1)).toString()).toBe("x");
  });

  it("adds and removes listeners, and moves one to a new pool without a gap", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    const pool = (server: TcpServer) => ({ endpoints: [{ address: server.address }], health: quickChecks });
    await using probe = await TcpServer.start(echo, host);
    const fixed = probe.address;
    await probe.stop();
    await using forwarder = await TestForwarder.start({
      listeners: [
        { address: fixed, pool: "one" },
        { address: `${host}:0`, pool: "one" },
      ],
      pools: { one: pool(one) },
    });
    if (!forwarder.listener("one").open) await nextEvent(forwarder.events, "listener_open", { listener: fixed });
    const old = await connect(fixed);
    expect(await readLine(old)).toBe("one");
    await forwarder.reload({ listeners: [{ address: fixed, pool: "two" }], pools: { two: pool(two) } });
    expect(await readLine(await connect(fixed))).toBe("two");
    expect([...forwarder.service.pools()].map(({ name }) => name)).toEqual(["two"]);
    expect((forwarder.service.status() as { listeners: unknown[] }).listeners).toHaveLength(1);
    old.write("x");
    expect((await read(old, 1)).toString()).toBe("x");
  });

  it("that cannot take an address changes nothing", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    await using forwarder = await TestForwarder.start(config([one]));
    const { address } = forwarder.listener("web");
    const next = config([two]);
    next.listeners.push({ address: two.address, pool: "web" });
    await expect(forwarder.reload(next)).rejects.toThrow(two.address);
    await expect(forwarder.reload(config([two], { zone: "elsewhere" }))).rejects.toThrow("zone");
    expect(await readLine(await connect(address))).toBe("one");
  });
});

describe("the service", () => {
  it("does not start on an address that is taken, names it, and leaves nothing open", async () => {
    await using server = await TcpServer.start(echo, host);
    const parsed = l4ForwarderSchema.parse(config([server], { listener: { address: server.address } }));
    await expect(start(parsed, testHost())).rejects.toThrow(`cannot listen on ${server.address}`);
  });

  it("explains its choice without making it", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    await using forwarder = await TestForwarder.start(config([one, two]));
    const explain = (query: string) => forwarder.service.explain(new URLSearchParams(query));
    const explained = explain("client=127.49.0.7");
    expect(explained).toMatchObject({ client: "127.49.0.7", pool: "web", open: true, reason: "OK" });
    const { address, candidates } = explained["choice"] as Choice;
    expect(candidates.map(({ reason }) => reason)).toEqual(["OK", "OK"]);
    expect(explain("client=127.49.0.7:80&listener=web")).toEqual(explained);
    const picked = await readLine(await connect(forwarder.listener("web").address));
    expect(picked).toBe(address === one.address ? "one" : "two");
    expect(() => explain("client=127.49.0.7&listener=api")).toThrow("listener");
    expect(() => explain("")).toThrow("client");
  });

  it("lists live connections, by pool", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(config([server]));
    const client = await connect(forwarder.listener("web").address, "127.49.0.7");
    await readLine(client);
    const row = {
      downstream: `127.49.0.7:${client.localPort}`,
      client: `127.49.0.7:${client.localPort}`,
      server: server.address,
      bytesUp: 0,
      bytesDown: 4,
      reason: null,
    };
    expect(await forwarder.get("/connections?pool=web")).toMatchObject({ total: 1, connections: [row] });
    expect(await forwarder.get("/connections?pool=api")).toMatchObject({ total: 0, connections: [] });
    client.destroy();
    await closed(client);
  });
});

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
