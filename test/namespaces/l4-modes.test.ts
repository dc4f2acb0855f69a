import { afterAll, beforeAll, expect, it } from "vitest";
import { balanceNames } from "#shared/config/schema/common.ts";
import { ForwarderProcess, Network } from "#test/support/netns/network.ts";
import { describeInNamespaces } from "./describe.ts";

/** What must be the same whoever moves the bytes. */

const listener = "10.77.0.5:7001";
const hosts = ["10.77.0.11", "10.77.0.12", "10.77.0.13"] as const;
const modes = ["userspace", "kernel"] as const;
const health = { type: "tcp", interval: "200ms", timeout: "100ms", fall: 2, rise: 2 } as const;
const unreadClients = 50;
const floodBytes = 4_000_000; // more than both kernels and the forwarder hold for a client that does not read
const lossyPort = 9_004;
const youngGenerationMiB = 64; // of V8, which grows with the traffic: three parts of 16 MiB, and as much garbage as one holds
const heldBytesMax = 262_144; // of one connection, as docs/forwarding.md says

describeInNamespaces("a forwarder in either mode", () => {
  let network: Network;
  beforeAll(async () => {
    network = await Network.make();
    for (const [i, host] of hosts.entries()) await network.servers.do("serve", host, 9_000, `web-${i + 1}`);
    await network.servers.do("serveEnds", hosts[0], 9_001);
    await network.servers.do("flood", hosts[0], 9_002, floodBytes);
    for (const [i, host] of hosts.entries()) await network.servers.do("serveWebSocket", host, 9_003, `web-${i + 1}`);
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  interface More {
    readonly pool?: object;
    readonly port?: number;
    readonly used?: readonly string[];
    readonly listener?: object;
  }
  const config = (mode: string, { pool, port = 9_000, used = hosts, listener: own }: More = {}) => ({
    mode,
    timeouts: { connect: port === lossyPort ? "5s" : "1s" }, // a SYN that is lost comes again after one second
    listeners: [{ address: listener, pool: "web", ...own }],
    pools: {
      web: {
        endpoints: used.map((host, i) => ({ address: `${host}:${port}`, name: `web-${i + 1}`, weight: i + 1 })),
        health,
        panicThreshold: 0,
        ...pool,
      },
    },
  });
  const start = (mode: string, more?: More) => ForwarderProcess.start(network.forwarder, config(mode, more));
  const ask = (times: number, options = {}) => network.client.do("ask", listener, times, options);
  const shares = (answers: readonly string[]) =>
    [1, 2, 3].map((i) => answers.filter((answer) => answer.startsWith(`web-${i} `)).length);

  const distributions: Readonly<Record<(typeof balanceNames)[number], (counts: readonly number[]) => void>> = {
    "round-robin": (counts) => expect(counts).toEqual([20, 20, 20]),
    weighted: (counts) => expect(counts).toEqual([10, 20, 30]),
    random: (counts) => expect(Math.min(...counts)).toBeGreaterThan(0),
    "ip-hash": (counts) => expect(counts.toSorted((a, b) => a - b)).toEqual([0, 0, 60]),
    // All are held: shares end as the weights are.
    "least-connections": (counts) => expect(counts).toEqual([10, 20, 30]),
    "least-response-time": (counts) => expect(Math.min(...counts)).toBeGreaterThan(0),
    "power-of-two": (counts) => expect(Math.min(...counts)).toBeGreaterThan(0),
  };

  // Those of the kernel are held in l4-kernel.test.ts.
  it("in userspace spreads connections that stay by every algorithm, changed by reloads", async () => {
    await using forwarder = await start("userspace");
    for (const balance of balanceNames) {
      await forwarder.reload(config("userspace", { pool: { balance } }));
      const held = await network.client.do("hold", listener, 60);
      distributions[balance](shares(held.map(({ greeting }) => greeting)));
      await drop(held);
      await forwarder.until("they have ended", async () => (await activeOf(forwarder)) === 0);
    }
  });

  const activeOf = async (forwarder: ForwarderProcess) =>
    Number(((await forwarder.admin("/status")) as { readonly [key: string]: unknown })["connections"]);

  const drop = (held: readonly { id: number }[]) =>
    network.client.do(
      "drop",
      held.map(({ id }) => id),
    );

  it.each(modes)("in %s keeps connections while servers are added, drained and removed", async (mode) => {
    await using forwarder = await start(mode, { used: hosts.slice(0, 2) });
    const held = await network.client.do("hold", listener, 10);
    const ids = held.map(({ id }) => id);
    const echoed = () => network.client.do("echo", ids);
    await forwarder.reload(config(mode));
    await forwarder.until("the third is used", async () => shares(await ask(6)).every((count) => count > 0));
    expect(await echoed()).toBe(10);
    await forwarder.admin(`/pools/web/endpoints/${hosts[0]}:9000/drain`, "POST");
    await forwarder.until("the first is not", async () => shares(await ask(6))[0] === 0);
    expect(await echoed()).toBe(10);
    await forwarder.reload(config(mode, { used: hosts.slice(2) }));
    await forwarder.until("only the third is", async () => new Set((await ask(4)).map((a) => a.slice(6))).size === 1);
    for (let i = 0; i < 5; i++) await forwarder.reload(config(mode, { used: hosts.slice(i % 3) }));
    expect(await echoed()).toBe(10);
    await drop(held);
  });

  it.each(modes)("in %s resets or finishes what a drained server has, and says when it is empty", async (mode) => {
    await using forwarder = await start(mode);
    // Each look takes a turn of the event loop, in which the forwarder's output comes in.
    const timesEmpty = async () => {
      await forwarder.admin("/healthz");
      return forwarder.output.split('"endpoint_empty"').length - 1;
    };
    const cases = [
      { onDrain: "reset", left: 4 },
      { onDrain: { finishWithin: "300ms" }, left: 4 },
      { onDrain: "keep", left: 6 },
    ];
    for (const [i, { onDrain, left }] of cases.entries()) {
      await forwarder.reload(config(mode, { listener: { onDrain } }));
      await forwarder.admin(`/pools/web/endpoints/${hosts[0]}:9000/enable`, "POST");
      await forwarder.until("all are used", async () => shares(await ask(3))[0] === 1);
      const held = await network.client.do("hold", listener, 6);
      const ids = held.map(({ id }) => id);
      await forwarder.admin(`/pools/web/endpoints/${hosts[0]}:9000/drain`, "POST");
      await forwarder.until("it is drained", async () => shares(await ask(3))[0] === 0);
      await forwarder.until("who must go is gone", async () => (await network.client.do("echo", ids)) === left);
      if (onDrain === "keep") expect(await timesEmpty()).toBe(i);
      await drop(held);
      await forwarder.until("it is empty", async () => (await timesEmpty()) === i + 1);
    }
  });

  it.each(modes)("in %s carries ends and resets as what they are, both ways", async (mode) => {
    await using forwarder = await start(mode, { port: 9_001, used: hosts.slice(0, 1) });
    const told: string[] = [];
    const talk = (word: string, then: "end" | "reset" | "wait") => network.client.do("talk", listener, word, then);
    await forwarder.until("checks have ended", async () => (await network.servers.do("endsSeen")).length > 0);
    expect(await talk("hello", "end")).toBe("end");
    expect(await talk("reset", "wait")).toBe("reset");
    expect(await talk("hello", "reset")).toBe("reset");
    // Checks end cleanly: the one reset that the server sees without having sent it is the client's.
    await forwarder.until("the server has seen the client's reset", async () => {
      told.push(...(await network.servers.do("endsSeen")));
      return told.filter((how) => how === "reset").length >= 2;
    });
  });

  it.each(modes)("in %s holds little for clients that do not read, and loses nothing", async (mode) => {
    await using forwarder = await start(mode, { port: 9_002, used: hosts.slice(0, 1), pool: { health: undefined } });
    const residentMiB = async () =>
      Number(/process_resident_memory_bytes\S* (\d+)/.exec(await forwarder.metrics())?.[1]) / 1_048_576;
    const before = await residentMiB();
    const ids = await network.client.do("holdUnread", listener, unreadClients);
    const rows = async () =>
      (await forwarder.admin("/connections"))["connections"] as unknown as { bytesDown: number; heldDown?: number }[];
    let carried = -1;
    await forwarder.until("nothing moves any more", async () => {
      const shown = await rows();
      const now = shown.reduce((sum, { bytesDown }) => sum + bytesDown, 0);
      const stands = shown.length === unreadClients && now > 0 && now === carried;
      carried = now;
      return stands;
    });
    for (const { heldDown = 0 } of await rows()) expect(heldDown).toBeLessThanOrEqual(heldBytesMax);
    expect((await residentMiB()) - before).toBeLessThan(
      (unreadClients * heldBytesMax) / 1_048_576 + youngGenerationMiB,
    );
    const got = await network.client.do("drainUnread", ids);
    expect(new Set(got)).toEqual(new Set([floodBytes]));
  });

  it.each(modes)("in %s carries WebSockets, which stay through a reload", async (mode) => {
    await using forwarder = await start(mode, { port: 9_003 });
    const held = await network.client.do("holdWebSockets", listener, 6);
    expect(new Set(held.map(({ greeting }) => greeting))).toEqual(new Set(["web-1", "web-2", "web-3"]));
    const ids = held.map(({ id }) => id);
    for (const bytes of [1, 125, 126, 65_536, 1_000_000])
      expect(await network.client.do("echoWebSockets", ids, bytes)).toBe(6);
    await forwarder.reload(config(mode, { port: 9_003, used: hosts.slice(0, 1) }));
    expect(await network.client.do("echoWebSockets", ids, 1_000)).toBe(6);
    expect(await network.client.do("closeWebSockets", ids)).toEqual(ids.map(() => 1_000));
  });

  it.each(modes)("in %s is told by explain on the command line", async (mode) => {
    await using _ = await start(mode, { pool: { balance: "ip-hash" } });
    const main = new URL("../../infra/cli/main.ts", import.meta.url).pathname;
    const args = ["explain", "tcp", "web", "--client", "10.77.0.1", "--admin", "127.0.0.1:7080"];
    const output = await network.forwarder.do("run", process.execPath, [main, ...args]);
    expect(output).toContain(`mode     ${mode}: configured`);
    const [, name] = /^outcome +(web-\d) \(OK\)$/m.exec(output) ?? [];
    expect(await ask(2, { from: "10.77.0.1" })).toEqual([1, 2].map(() => `${name} 10.77.0.5`));
  });

  it("in userspace goes on to the next server within the connect limit where packets are lost", async () => {
    await using forwarder = await start("userspace", { pool: { balance: "ip-hash" } });
    const [greeting = ""] = await ask(1);
    const host = hosts[Number(greeting[4]) - 1] ?? "";
    const drop = `add table ip loss; add chain ip loss in { type filter hook input priority -300; }; add rule ip loss in ip daddr ${host} drop`;
    await network.servers.do("run", "nft", [drop]);
    const startedMs = performance.now();
    const [answer = ""] = await ask(1, { limitMs: 5_000 });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(answer).toMatch(/^web-\d 10\.77\.0\.5$/);
    expect(answer).not.toBe(greeting);
    await network.servers.do("run", "nft", ["delete table ip loss"]);
    await forwarder.until("it is back", async () => (await ask(1))[0] === greeting);
  });

  it.each(modes)("in %s loses nothing where one packet of ten is dropped", async (mode) => {
    await network.servers.do("digest", "10.77.0.14", lossyPort);
    const drop =
      "add table ip loss; add chain ip loss in { type filter hook input priority -300; }; add rule ip loss in ip daddr 10.77.0.14 numgen random mod 10 0 drop";
    await network.servers.do("run", "nft", [drop]);
    try {
      await using _ = await start(mode, { used: ["10.77.0.14"], port: lossyPort, pool: { health: undefined } });
      const { sent, got } = await network.client.do("send", listener, 300_000, 10_000);
      expect(got).toBe(sent);
    } finally {
      await network.servers.do("run", "nft", ["delete table ip loss"]);
      await network.servers.do("stop", "tcp", "10.77.0.14", lossyPort);
    }
  });

  it.each(modes)("in %s carries datagrams over IPv6, a client's to one server", async (mode) => {
    const six = ["fd77::11", "fd77::12"] as const;
    for (const [i, host] of six.entries()) await network.servers.do("serveUdp", host, 9_000, `web-${i + 1}`);
    await using _ = await ForwarderProcess.start(network.forwarder, {
      mode,
      listeners: [{ address: "[fd77::5]:7001", protocol: "udp", pool: "web" }],
      pools: { web: { endpoints: six.map((host) => ({ address: `[${host}]:9000` })) } },
    });
    const answers = await network.client.do("askUdp", "[fd77::5]:7001", 8);
    expect(shares(answers)).toEqual([4, 4, 0]);
    expect(answers.every((answer) => answer.split(" ")[1] === "fd77::5")).toBe(true);
    const same = await network.client.do("askUdp", "[fd77::5]:7001", 5, { oneSocket: true });
    expect(new Set(same.map((answer) => answer.slice(0, 5))).size).toBe(1);
    for (const host of six) await network.servers.do("stop", "udp", host, 9_000);
  });
});
