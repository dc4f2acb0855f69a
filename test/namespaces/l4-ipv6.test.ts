import { afterAll, beforeAll, expect, it } from "vitest";
import { ForwarderProcess, Network } from "#test/support/netns/network.ts";
import { describeInNamespaces } from "./describe.ts";

const listener = "[fd77::5]:7001";
const hosts = ["fd77::11", "fd77::12"] as const;
const modes = ["userspace", "kernel"] as const;

describeInNamespaces("forwarding over IPv6", () => {
  let network: Network;
  beforeAll(async () => {
    network = await Network.make();
    for (const [i, host] of hosts.entries()) await network.servers.do("serve", host, 9_000, `web-${i + 1}`);
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  const start = (mode: string, more: { pool?: object; [key: string]: unknown } = {}) => {
    const { pool, ...rest } = more;
    const endpoints = hosts.map((host) => ({ address: `[${host}]:9000` }));
    const health = { type: "tcp", interval: "200ms", timeout: "100ms", fall: 2, rise: 2 };
    return ForwarderProcess.start(network.forwarder, {
      mode,
      listeners: [{ address: listener, pool: "web" }],
      pools: { web: { endpoints, health, ...pool } },
      ...rest,
    });
  };

  it.each(modes)("in %s goes to the servers in turn, which see the forwarder", async (mode) => {
    await using _ = await start(mode);
    const answers = await network.client.do("ask", listener, 4);
    expect(answers.toSorted()).toEqual(["web-1 fd77::5", "web-1 fd77::5", "web-2 fd77::5", "web-2 fd77::5"]);
  });

  it.each(modes)("in %s leaves a dead server, and comes back", async (mode) => {
    await using forwarder = await start(mode);
    await network.servers.do("stop", "tcp", hosts[0], 9_000);
    const only = (name: string) => async () =>
      (await network.client.do("ask", listener, 4)).every((answer) => answer.startsWith(name));
    await forwarder.until("only the second", only("web-2"));
    await network.servers.do("serve", hosts[0], 9_000, "web-1");
    await forwarder.until("the first again", async () => !(await only("web-2")()));
  });

  it.each(modes)("in %s shows live connections, and bounds those of one client", async (mode) => {
    await using forwarder = await start(mode, { limits: { connectionsPerClient: 3 } });
    const held = await network.client.do("hold", listener, 3);
    const ids = held.map(({ id }) => id);
    expect(await network.client.do("echo", ids)).toBe(3);
    const [refused] = await network.client.do("ask", listener, 1);
    expect(refused).toMatch(/^(?:refused|reset)$/);
    const rows = async () =>
      (await forwarder.admin("/connections"))["connections"] as unknown as { client: string; bytesUp: number }[];
    await forwarder.until("three rows with bytes", async () => {
      const shown = await rows();
      return shown.length === 3 && shown.every(({ bytesUp, client }) => bytesUp > 0 && client.startsWith("[fd77::"));
    });
    const [{ client } = { client: "" }] = await rows();
    expect(await forwarder.admin(`/decisions/${encodeURIComponent(client)}`)).toMatchObject({ mode, client });
    await network.client.do("drop", ids);
  });

  it("explain foretells in the kernel where ip-hash sends a client", async () => {
    await using forwarder = await start("kernel", { pool: { balance: "ip-hash" } });
    for (const from of ["fd77::1", "fd77::2", "fd77::3"]) {
      const explained = (await forwarder.admin(`/explain?client=${from}`)) as unknown as {
        kernel: { address: string };
      };
      const name = `web-${hosts.findIndex((host) => explained.kernel.address === `[${host}]:9000`) + 1}`;
      expect(await network.client.do("ask", listener, 2, { from })).toEqual([`${name} fd77::5`, `${name} fd77::5`]);
    }
  });
});
