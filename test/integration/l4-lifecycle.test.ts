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

const host = "127.66.4.3"; // apart from whatever else listens on this machine

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

describe("whoever looks on", () => {
  it("is told each connection when it is over; nobody else is", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(config([server]));
    const { address } = forwarder.listener("web");
    const carry = async () => {
      const client = await connect(address);
      await readLine(client);
      client.end("bye");
      await outcome(client);
      await forwarder.until(() => forwarder.listener("web").active === 0);
    };
    const decisions: unknown[] = [];
    forwarder.events.subscribe(({ type, data }) => type === "decision" && decisions.push(data));
    await carry();
    expect(decisions).toEqual([]);
    const stop = forwarder.host.decisions.watch();
    await carry();
    expect(decisions).toMatchObject([{ pool: "web", server: server.address, bytesUp: 3, reason: "OK" }]);
    stop();
    await carry();
    expect(decisions).toHaveLength(1);
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
    expect(await forwarder.service.findDecision(name)).toMatchObject({ reason: "DRAINING" });
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

  it("that removes a pool takes its servers out of the metrics, and not those of a pool that was made anew", async () => {
    await using one = await TcpServer.start(echo, host);
    await using two = await TcpServer.start(echo, host);
    const pools = (names: readonly string[], listener: object = {}) => ({
      listeners: names.map((name) => ({ address: `${host}:0`, pool: name, ...listener })),
      pools: Object.fromEntries(
        names.map((name) => [name, { endpoints: [{ address: (name === "one" ? one : two).address }] }]),
      ),
    });
    await using forwarder = await TestForwarder.start(pools(["one", "two"]));
    const eligible = () =>
      [
        { pool: "one", endpoint: one.address },
        { pool: "two", endpoint: two.address },
      ].map((labels) => forwarder.metrics.value("watershed_endpoint_eligible", labels));
    expect(eligible()).toEqual([1, 1]);
    await forwarder.reload(pools(["one"]));
    expect(eligible()).toEqual([1, 0]);
    await forwarder.reload(pools(["one"], { proxyProtocol: { send: "v2" } })); // Its checks change: a new pool.
    expect(eligible()).toEqual([1, 0]);
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
