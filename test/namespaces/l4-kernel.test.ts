import { afterAll, beforeAll, expect, it } from "vitest";
import { balanceNames } from "#shared/config/schema/common.ts";
import { slotOfAddress } from "#l4-forwarder/kernel/plan/jhash.ts";
import { parseAddress } from "#shared/core/cidr.ts";
import { ForwarderProcess, Network } from "#test/support/netns/network.ts";
import { describeInNamespaces } from "./describe.ts";

const listener = "10.77.0.5:7001";
const hosts = ["10.77.0.11", "10.77.0.12", "10.77.0.13"] as const;
const health = { type: "tcp", interval: "200ms", timeout: "100ms", fall: 2, rise: 2 } as const;

interface Row {
  readonly server: string;
  readonly client: string;
  readonly bytesUp: number;
  readonly ageMs: number;
}

describeInNamespaces("forwarding in the kernel", () => {
  let network: Network;
  beforeAll(async () => {
    network = await Network.make();
    for (const [i, host] of hosts.entries()) await network.servers.do("serve", host, 9_000, `web-${i + 1}`);
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  const config = (more: { pool?: object; listener?: object; [key: string]: unknown } = {}) => {
    const { pool, listener: own, ...rest } = more;
    const endpoints = hosts.map((host, i) => ({ address: `${host}:9000`, name: `web-${i + 1}`, weight: i + 1 }));
    return {
      mode: "kernel",
      listeners: [{ address: listener, pool: "web", ...own }],
      pools: { web: { endpoints, panicThreshold: 0, health, ...pool } },
      ...rest,
    };
  };
  const start = (more = {}) => ForwarderProcess.start(network.forwarder, config(more));
  const nft = (...args: string[]) => network.forwarder.do("run", "nft", args);
  const ask = (times: number, options = {}) => network.client.do("ask", listener, times, options);
  const shares = (answers: readonly string[]) =>
    [1, 2, 3].map((i) => answers.filter((answer) => answer.startsWith(`web-${i} `)).length);

  const distributions: Readonly<Record<(typeof balanceNames)[number], (counts: readonly number[]) => void>> = {
    "round-robin": (counts) => expect(counts).toEqual([20, 20, 20]),
    weighted: (counts) => expect(counts).toEqual([10, 20, 30]),
    random: ([a = 0, , c = 0]) => {
      expect(a).toBeGreaterThan(0);
      expect(c).toBeGreaterThan(a);
    },
    "ip-hash": (counts) => expect(counts.toSorted((a, b) => a - b)).toEqual([0, 0, 60]),
    // Nothing is held open: what they go by is the same for all, but for the weights.
    "least-connections": (counts) => expect(Math.min(...counts)).toBeGreaterThan(0),
    "least-response-time": (counts) => expect(Math.min(...counts)).toBeGreaterThan(0),
    "power-of-two": (counts) => expect(Math.min(...counts)).toBeGreaterThan(0),
  };

  it.each(balanceNames)("spreads connections by %s", async (balance) => {
    await using forwarder = await start({ pool: { balance } });
    const answers = await ask(60);
    distributions[balance](shares(answers));
    // Servers see the forwarder: they would answer past it otherwise.
    expect(new Set(answers.map((answer) => answer.split(" ")[1]))).toEqual(new Set(["10.77.0.5"]));
    const { listeners } = (await forwarder.admin("/status")) as unknown as { listeners: { mode: string }[] };
    expect(listeners).toMatchObject([{ mode: "kernel", why: "configured", open: true }]);
  });

  it.each(balanceNames)("spreads datagrams by %s, and keeps a client on its server", async (balance) => {
    for (const [i, host] of hosts.entries()) await network.servers.do("serveUdp", host, 9_000, `web-${i + 1}`);
    await using _ = await start({ pool: { balance }, listener: { protocol: "udp" } });
    const answers = await network.client.do("askUdp", listener, 60);
    const counts = shares(answers);
    // Each client is a socket of its own; whom the kernel has just counted may have moved the shares.
    expect(counts.reduce((sum, count) => sum + count)).toBe(60);
    if (balance === "round-robin" || balance === "ip-hash") distributions[balance](counts);
    const same = await network.client.do("askUdp", listener, 6, { oneSocket: true });
    expect(new Set(same.map((answer) => answer.slice(0, 5))).size).toBe(1);
    for (const host of hosts) await network.servers.do("stop", "udp", host, 9_000);
  });

  it("moves the datagrams of a client when its server is down", async () => {
    for (const [i, host] of hosts.entries()) await network.servers.do("serveUdp", host, 9_000, `web-${i + 1}`);
    const checks = { ...health, type: "udp", send: "hello", expect: "hello" };
    await using forwarder = await start({
      pool: { balance: "ip-hash", health: checks },
      listener: { protocol: "udp" },
    });
    const [before = ""] = await network.client.do("askUdp", listener, 1);
    await network.servers.do("stop", "udp", hosts[Number(before[4]) - 1]!, 9_000);
    await forwarder.until("another answers", async () => {
      const [answer = ""] = await network.client.do("askUdp", listener, 1);
      return answer.startsWith("web-") && answer.slice(0, 5) !== before.slice(0, 5);
    });
    for (const host of hosts) await network.servers.do("stop", "udp", host, 9_000);
  });

  it("gives least-connections' new connections to whom has fewest", async () => {
    await using forwarder = await start({ pool: { balance: "least-connections" } });
    await forwarder.admin("/pools/web/endpoints/10.77.0.13:9000/drain", "POST");
    await forwarder.until("drained", async () => shares(await ask(6))[2] === 0);
    const held = await network.client.do("hold", listener, 60);
    await forwarder.admin("/pools/web/endpoints/10.77.0.13:9000/enable", "POST");
    await forwarder.until("counted", async () => (await active(forwarder)).reduce((sum, n) => sum + n, 0) === 60);
    await forwarder.until("nearly all go to the third", async () => shares(await ask(20))[2]! > 15);
    await network.client.do(
      "drop",
      held.map(({ id }) => id),
    );
  });

  const active = async (forwarder: ForwarderProcess): Promise<number[]> => {
    const { pools } = (await forwarder.admin("/status")) as unknown as { pools: { endpoints: { active: number }[] }[] };
    return pools.flatMap(({ endpoints }) => endpoints.map((endpoint) => endpoint.active));
  };

  it("foretells in explain where ip-hash sends each client", async () => {
    await using forwarder = await start({ pool: { balance: "ip-hash" } });
    for (const from of ["10.77.0.1", "10.77.0.2", "10.77.0.3"]) {
      const explained = (await forwarder.admin(`/explain?client=${from}`)) as unknown as {
        kernel: { address: string; slot: number };
      };
      const slot = slotOfAddress(parseAddress(from)!, 1_021);
      expect(explained).toMatchObject({ mode: "kernel", reason: "OK", kernel: { slot, by: "hash" } });
      const name = `web-${hosts.findIndex((host) => explained.kernel.address === `${host}:9000`) + 1}`;
      expect(await ask(3, { from })).toEqual([1, 2, 3].map(() => `${name} 10.77.0.5`));
    }
  });

  it("lets servers see the client where it is told to keep the address", async () => {
    await network.servers.do("run", "ip", ["route", "add", "10.77.0.2/32", "via", "10.77.0.5"]);
    await network.forwarder.do("run", "sysctl", ["-qw", "net.ipv4.conf.all.send_redirects=0"]);
    await network.forwarder.do("run", "sysctl", ["-qw", "net.ipv4.conf.eth0.send_redirects=0"]);
    await using _ = await start({ listener: { clientAddress: "keep" } });
    expect(await ask(1, { from: "10.77.0.2" })).toEqual([expect.stringMatching(/^web-\d 10\.77\.0\.2$/)]);
    await network.servers.do("run", "ip", ["route", "del", "10.77.0.2/32"]);
  });

  it("keeps connections through drain, reload with other servers, and the removal of their own", async () => {
    await using forwarder = await start();
    const held = await network.client.do("hold", listener, 9);
    const ids = held.map(({ id }) => id);
    await forwarder.admin("/pools/web/endpoints/10.77.0.11:9000/drain", "POST");
    await forwarder.until("drained", async () => shares(await ask(10))[0] === 0);
    expect(await network.client.do("echo", ids)).toBe(9);
    const endpoints = [{ address: "10.77.0.13:9000" }];
    await forwarder.reload(config({ pool: { endpoints } }));
    expect(shares(await ask(4))).toEqual([0, 0, 4]);
    expect(await network.client.do("echo", ids)).toBe(9);
    await forwarder.reload({ ...config(), mode: "userspace" });
    expect(await network.client.do("echo", ids)).toBe(9);
    const own = await network.client.do("hold", listener, 3);
    await forwarder.reload(config());
    const all = [...ids, ...own.map(({ id }) => id)];
    expect(await network.client.do("echo", all)).toBe(12);
    await network.client.do("drop", all);
  });

  it("takes a dead server out, resets while nobody is up, and takes it back", async () => {
    await using forwarder = await start();
    for (const host of hosts.slice(0, 2)) await network.servers.do("stop", "tcp", host, 9_000);
    await forwarder.until("only the third", async () => shares(await ask(6))[2] === 6);
    await network.servers.do("stop", "tcp", hosts[2], 9_000);
    await forwarder.until("refused", async () => (await ask(3)).every((answer) => answer === "refused"));
    for (const [i, host] of hosts.entries()) await network.servers.do("serve", host, 9_000, `web-${i + 1}`);
    await forwarder.until("all of them", async () => !shares(await ask(6)).includes(0));
  });

  it("moves clients that wait for a server whose packets are lost", async () => {
    await using forwarder = await start({ pool: { balance: "ip-hash" } });
    const [greeting = ""] = await ask(1);
    const host = hosts[Number(greeting[4]) - 1] ?? "";
    const drop = `add table ip loss; add chain ip loss in { type filter hook input priority -300; }; add rule ip loss in ip daddr ${host} drop`;
    await network.servers.do("run", "nft", [drop]);
    const waiting = ask(1, { limitMs: 8_000 });
    const startedMs = performance.now();
    expect(await waiting).toEqual([expect.stringMatching(/^web-\d 10\.77\.0\.5$/)]);
    expect(performance.now() - startedMs).toBeLessThan(500 + 3_000);
    expect(await waiting).not.toEqual([greeting]);
    await network.servers.do("run", "nft", ["delete table ip loss"]);
    await forwarder.until("it is back", async () => (await ask(1))[0] === greeting);
  });

  it("resets the connections of a server that is down where it is told to", async () => {
    await using forwarder = await start({ listener: { onDown: "reset" } });
    const held = await network.client.do("hold", listener, 6);
    const ids = held.map(({ id }) => id);
    await network.servers.do("stop", "tcp", hosts[0], 9_000); // It accepts no more; its connections live.
    await forwarder.until("two are left", async () => (await network.client.do("echo", ids)) === 4);
    await network.client.do("drop", ids);
    await network.servers.do("serve", hosts[0], 9_000, "web-1");
  });

  it("bounds connections of one client, and new ones a second", async () => {
    await using forwarder = await start({ limits: { connectionsPerClient: 5 } });
    const held = await network.client.do("hold", listener, 5);
    expect(await ask(3)).toEqual(["refused", "refused", "refused"]);
    expect(shares(await ask(3, { from: "10.77.0.2" }))).not.toEqual([0, 0, 0]);
    await forwarder.until("they are counted", async () =>
      (await forwarder.metrics()).includes('pool="web",reason="LIMIT_REACHED"'),
    );
    await network.client.do(
      "drop",
      held.map(({ id }) => id),
    );
    await forwarder.reload(config({ limits: { connectionsPerSecondPerClient: 1, burst: 3 } }));
    expect((await ask(6)).filter((answer) => answer === "refused").length).toBeGreaterThanOrEqual(2);
  });

  it("sends connections on where a server is full, and those that nobody takes to the process", async () => {
    await using forwarder = await start({ listener: { connectionsPerServer: 2 }, pool: { balance: "ip-hash" } });
    const held = await network.client.do("hold", listener, 6);
    expect(shares(held.map(({ greeting }) => greeting))).toEqual([2, 2, 2]);
    await forwarder.until("all are counted", async () => (await active(forwarder)).join() === "2,2,2");
    expect(await ask(1)).toEqual(["reset"]);
    await network.client.do(
      "drop",
      held.map(({ id }) => id),
    );
  });

  it("repairs the table after a foreign flush, and no connection is lost meanwhile", async () => {
    await using forwarder = await start();
    const held = await network.client.do("hold", listener, 3);
    const before = await nft("-s", "list", "ruleset");
    for (const args of [
      ["flush", "ruleset"],
      ["flush", "table", "inet", tableOf(before)],
      ["delete", "table", "inet", tableOf(before)],
    ]) {
      await nft(...args);
      expect(shares(await ask(3)).reduce((sum, count) => sum + count)).toBe(3);
      await forwarder.until("repaired", async () => (await nft("-s", "list", "ruleset")) === before, 5_000);
    }
    const ids = held.map(({ id }) => id);
    expect(await network.client.do("echo", ids)).toBe(3);
    await network.client.do("drop", ids);
  });

  const tableOf = (ruleset: string) => /table inet (watershed_\w+)/.exec(ruleset)?.[1] ?? "";

  it("leaves no rule behind, and finds its own after a kill", async () => {
    const first = await start();
    expect(await nft("list", "ruleset")).toContain("web-1 10.77.0.11:9000");
    await first.end("SIGKILL");
    await first[Symbol.asyncDispose]();
    const second = await start();
    expect((await nft("list", "tables")).trim().split("\n")).toHaveLength(1);
    expect(await second.end("SIGTERM")).toBe(0);
    await second[Symbol.asyncDispose]();
    expect(await nft("list", "ruleset")).toBe("");
  });

  it("leaves the table of another forwarder on the host alone", async () => {
    await using one = await start();
    const other = await ForwarderProcess.start(network.forwarder, {
      ...config({ listener: { address: "10.77.0.5:7009" } }),
      admin: "127.0.0.1:7081",
    });
    const tables = async () => (await nft("list", "tables")).trim().split("\n").length;
    expect(await tables()).toBe(2);
    const held = await network.client.do("hold", listener, 3);
    expect(shares(await network.client.do("ask", "10.77.0.5:7009", 3))).toEqual([1, 1, 1]);
    expect(await other.end()).toBe(0);
    await other[Symbol.asyncDispose]();
    expect(await tables()).toBe(1);
    expect(shares(await ask(3))).toEqual([1, 1, 1]);
    const ids = held.map(({ id }) => id);
    expect(await network.client.do("echo", ids)).toBe(3);
    await network.client.do("drop", ids);
    expect(await one.end()).toBe(0);
  });

  it("shows live connections with source, server, bytes and age, and counts in the metrics of userspace", async () => {
    await using forwarder = await start();
    const held = await network.client.do("hold", listener, 3);
    const ids = held.map(({ id }) => id);
    await network.client.do("echo", ids);
    const rows = async () => (await forwarder.admin("/connections?pool=web"))["connections"] as unknown as Row[];
    await forwarder.until(
      "three rows with bytes",
      async () => (await rows()).filter((row) => row.bytesUp > 0).length === 3,
    );
    expect((await rows()).map(({ server }) => server).toSorted()).toEqual(hosts.map((host) => `${host}:9000`));
    const { client, server } = (await rows())[0]!;
    const decision = { mode: "kernel", client, server, attempts: [{ choice: { address: server }, outcome: "OK" }] };
    expect(await forwarder.admin(`/decisions/${client}`)).toMatchObject(decision);
    await expect(forwarder.admin("/decisions/10.77.0.1:1")).rejects.toThrow("404");
    const metrics = await forwarder.metrics();
    for (const host of hosts)
      expect(metrics).toContain(`watershed_attempts_total{pool="web",endpoint="${host}:9000",result="OK"`);
    expect(metrics).toMatch(/watershed_l4_bytes_total\{listener="10\.77\.0\.5:7001",direction="up".*\} \d{3}/);
    expect(metrics).toMatch(/watershed_l4_active_connections\{listener="10\.77\.0\.5:7001".*\} 3/);
    await network.client.do("drop", ids);
    await forwarder.until("they have ended", async () =>
      /watershed_l4_connections_total\{listener="10\.77\.0\.5:7001",pool="web",reason="OK".*\} 3/.test(
        await forwarder.metrics(),
      ),
    );
  });
});
