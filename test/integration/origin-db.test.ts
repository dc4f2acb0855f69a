import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { systemClock } from "#shared/core/clock.ts";
import { makeFilms } from "#origin/catalog.ts";
import { array, bulk, emptyArray, errorReply, integer, nullBulk, ok } from "#origin/resp2.ts";
import { connectReplica, socketAddress, startOrigin, startRelay } from "#test/support/origin.ts";

const films = makeFilms();
const filmBulk = (id: number) => bulk(JSON.stringify(films[id - 1]));
const replicas = ["db-1", "db-2"].map((name) => ({ name, service: "db" }));

describe("a read replica", () => {
  it.each([
    { ask: ["PING"], reply: { kind: "simple", text: "PONG" } },
    { ask: ["ping", "hello"], reply: bulk("hello") },
    { ask: ["ECHO", "hi"], reply: bulk("hi") },
    { ask: ["GET", "film:7"], reply: filmBulk(7) },
    { ask: ["GET", "film:2001"], reply: nullBulk },
    { ask: ["GET", "film:7 OR 1=1"], reply: nullBulk },
    { ask: ["MGET", "film:1", "nothing", "film:2000"], reply: array([filmBulk(1), nullBulk, filmBulk(2_000)]) },
    { ask: ["EXISTS", "film:1", "film:1", "film:0"], reply: integer(2) },
    { ask: ["DBSIZE"], reply: integer(2_000) },
    { ask: ["SELECT", "0"], reply: ok },
    { ask: ["SELECT", "1"], reply: errorReply("ERR no such database") },
    { ask: ["COMMAND", "DOCS"], reply: emptyArray },
    { ask: ["CLIENT", "SETINFO", "LIB-NAME", "x"], reply: ok },
    { ask: ["HELLO", "3"], reply: errorReply("NOPROTO unsupported protocol version") },
    { ask: ["SLEEP", "0"], reply: ok },
    { ask: ["SLEEP", "61"], reply: errorReply("ERR seconds must be 0..60") },
    { ask: ["GET"], reply: errorReply("ERR wrong number of arguments for 'get' command") },
    { ask: ["SET", "film:1", "x"], reply: errorReply("ERR unknown command 'SET'") },
  ])("answers $ask", async ({ ask, reply }) => {
    await using origin = await startOrigin(replicas);
    using client = await connectReplica(origin.addressOf("db-1"));
    expect(await client.ask(...ask)).toEqual(reply);
  });

  it("says in INFO who it is", async () => {
    await using origin = await startOrigin(replicas);
    using client = await connectReplica(origin.addressOf("db-2"));
    const info = await client.ask("INFO");
    const text = info.kind === "bulk" ? String(info.bytes) : "";
    expect(text.split("\r\n")).toEqual(expect.arrayContaining(["name:db-2", "zone:eu-west-a", "role:slave"]));
  });

  it("answers commands sent ahead in order, and one that sleeps holds up its own connection alone", async () => {
    await using origin = await startOrigin(replicas);
    using sleeper = await connectReplica(origin.addressOf("db-1"));
    using other = await connectReplica(origin.addressOf("db-1"));
    sleeper.write("SLEEP 60\r\nPING\r\n");
    other.write("GET film:1\r\nGET film:2\r\nPING\r\n");
    expect(await other.read()).toEqual(filmBulk(1));
    expect(await other.read()).toEqual(filmBulk(2));
    expect(await other.read()).toMatchObject({ text: "PONG" });
    expect(sleeper.socket.bytesRead).toBe(0);
  });

  it("says what is wrong with a broken command, and closes", async () => {
    await using origin = await startOrigin(replicas);
    using client = await connectReplica(origin.addressOf("db-1"));
    client.write("PING\r\n*1\r\n!oops\r\n");
    expect(await client.read()).toMatchObject({ text: "PONG" });
    expect(await client.read()).toEqual(errorReply("ERR Protocol error: expected '$', got '!'"));
    await expect(client.read()).rejects.toThrow("closed the connection");
  });

  it("closes after QUIT", async () => {
    await using origin = await startOrigin(replicas);
    using client = await connectReplica(origin.addressOf("db-1"));
    expect(await client.ask("QUIT")).toEqual(ok);
    await expect(client.read()).rejects.toThrow("closed the connection");
  });

  it("reads no more from a client that does not read its answers", async () => {
    await using origin = await startOrigin(replicas);
    using client = await connectReplica(origin.addressOf("db-1"));
    const keys = Array.from({ length: 1_000 }, (_, i) => `film:${i + 1}`).join(" ");
    const command = Buffer.from(`MGET ${keys}\r\n`);
    client.socket.pause();
    // 100 KB of answers each: kernel buffers are full long before the thousandth.
    for (let i = 0; i < 1_000; i++) client.write(command);
    const requests = async () => Number((await origin.get("/servers/db-1")).body["requests"]);
    let seen = -1;
    for (let now = 0; now !== seen; now = await requests()) {
      seen = now;
      using neighbour = await connectReplica(origin.addressOf("db-2"));
      await neighbour.ask("MGET", "film:1");
    }
    expect(seen).toBeLessThan(900);
  });

  it.skipIf(spawnSync("redis-cli", ["--version"]).error !== undefined)("talks to redis-cli", async () => {
    await using origin = await startOrigin(replicas);
    const { host, port } = socketAddress(origin.addressOf("db-1"));
    const redis = async (...words: readonly string[]) =>
      (await promisify(execFile)("redis-cli", ["-h", host, "-p", String(port), ...words])).stdout.trim();
    expect(await redis("GET", "film:7")).toBe(JSON.stringify(films[6]));
    expect(await redis("PING")).toBe("PONG");
    expect(await redis("MGET", "film:1", "film:2")).toBe(`${JSON.stringify(films[0])}\n${JSON.stringify(films[1])}`);
  });
});

describe("the catalogue of an api server", () => {
  const servers = [{ name: "api-1", service: "api", address: "127.77.1.100:0" }];

  interface Answer {
    readonly film?: { readonly id: number };
    readonly films?: readonly { readonly id: number }[];
    readonly reason?: string;
    readonly replica?: { readonly name: string; readonly forwarder: string; readonly reused: boolean };
    readonly attempts?: readonly { readonly forwarder: string; readonly outcome: string }[];
  }
  const get = async (url: string) => {
    const response = await fetch(url);
    return { status: response.status, body: (await response.json()) as Answer };
  };

  /** Two replicas, each behind its forwarder, and an api server that knows the forwarders. */
  async function startZone() {
    const stack = new AsyncDisposableStack();
    const db = stack.use(await startOrigin(replicas));
    const relays = [
      stack.use(await startRelay(() => db.addressOf("db-1"))),
      stack.use(await startRelay(() => db.addressOf("db-2"))),
    ] as const;
    const api = stack.use(
      await startOrigin(
        servers,
        relays.map((relay) => relay.address),
        { clock: { nowMs: () => 0, after: systemClock.after } }, // A forwarder that rests does so for ever.
      ),
    );
    const ask = (path = "/api/catalog/7") => get(api.url("api-1", path));
    return { db, relays, api, ask, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  it("is read from the replicas in turn, over kept connections from its own address", async () => {
    await using zone = await startZone();
    const answers = [await zone.ask(), await zone.ask(), await zone.ask(), await zone.ask()];
    expect(answers.map(({ status, body }) => [status, body.film, body.replica?.name, body.replica?.reused])).toEqual([
      [200, films[6], "db-1", false],
      [200, films[6], "db-2", false],
      [200, films[6], "db-1", true],
      [200, films[6], "db-2", true],
    ]);
    expect(zone.relays.map((relay) => relay.sources)).toEqual([["127.77.1.100"], ["127.77.1.100"]]);
    expect(answers[0]?.body.replica?.forwarder).toBe(zone.relays[0].address);
  });

  it("is opened once for requests that come together", async () => {
    await using zone = await startZone();
    const answers = await Promise.all(Array.from({ length: 20 }, () => zone.ask()));
    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(zone.relays.map((relay) => relay.sources.length)).toEqual([1, 1]);
  });

  it("has lists, and no films that are not there", async () => {
    await using zone = await startZone();
    const ids = async (path: string) => (await zone.ask(path)).body.films?.map((film) => film.id);
    expect(await ids("/api/catalog")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await ids("/api/catalog?from=1999")).toEqual([1_999, 2_000]);
    expect((await zone.ask("/api/catalog/2001")).status).toBe(404);
  });

  it("is read through the twin when a forwarder is gone", async () => {
    await using zone = await startZone();
    await zone.relays[0].close();
    const { status, body } = await zone.ask();
    expect(status).toBe(200);
    expect(body.replica).toMatchObject({
      name: "db-2",
      attempts: [
        { forwarder: zone.relays[0].address, replica: null, outcome: "CONNECT_FAILED" },
        { forwarder: zone.relays[1].address, replica: "db-2", outcome: "OK" },
      ],
    });
    expect(zone.api.service.explain(new URLSearchParams())).toMatchObject({
      server: "api-1",
      asks: [
        { forwarder: zone.relays[1].address, reason: "OK" },
        { forwarder: zone.relays[0].address, reason: "CONNECT_FAILED" },
      ],
    });
  });

  it("is read through the twin when a replica hangs, and the forwarder rests a while", async () => {
    await using zone = await startZone();
    await zone.ask();
    await zone.ask();
    await zone.db.post("/servers/db-1/hang");
    const { status, body } = await zone.ask();
    expect(status).toBe(200);
    expect(body.replica).toMatchObject({ name: "db-2", attempts: [{ outcome: "TIMEOUT" }, { outcome: "OK" }] });
    expect((await zone.ask()).body.replica).toMatchObject({ name: "db-2", attempts: [{ outcome: "OK" }] });
    expect((await zone.ask()).body.replica).toMatchObject({ name: "db-2", attempts: [{ outcome: "OK" }] });
  });

  it("opens a new connection at once when a kept one is cut", async () => {
    await using zone = await startZone();
    await zone.ask();
    await zone.ask();
    for (const socket of zone.relays[0].sockets) socket.resetAndDestroy();
    const { status, body } = await zone.ask();
    expect([status, body.replica?.name, body.replica?.reused]).toEqual([200, "db-1", false]);
  });

  it("says 503 and why when no replica answers, and recovers", async () => {
    await using zone = await startZone();
    await zone.db.post("/services/db/stop");
    const { status, body } = await zone.ask();
    expect(status).toBe(503);
    expect(body.reason).toBe("UPSTREAM_RESET");
    expect(body.attempts?.map((attempt) => attempt.forwarder)).toEqual(zone.relays.map((relay) => relay.address));
    await zone.db.post("/services/db/heal");
    expect((await zone.ask()).status).toBe(200);
  });

  it("says 503 NO_ENDPOINT where no replica is configured", async () => {
    await using origin = await startOrigin(servers);
    expect(await get(origin.url("api-1", "/api/catalog"))).toMatchObject({
      status: 503,
      body: { reason: "NO_ENDPOINT" },
    });
  });
});
