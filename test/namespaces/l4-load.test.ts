import { afterAll, beforeAll, expect, it } from "vitest";
import { ForwarderProcess, Network } from "#test/support/netns/network.ts";
import { describeInNamespaces } from "./describe.ts";

const listener = "10.77.0.5:7001";
const modes = ["userspace", "kernel"] as const;
const gigabyte = 1_000_000_000;
const connections = 5_000;
const memoryMiBMax = 400; // an empty process has about 150

describeInNamespaces("a forwarder under load", () => {
  let network: Network;
  beforeAll(async () => {
    network = await Network.make();
    await network.servers.do("digest", "10.77.0.11", 9_000);
    for (const host of ["10.77.0.12", "10.77.0.13"]) await network.servers.do("serve", host, 9_000, host);
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  const start = (mode: string, hosts: readonly string[]) =>
    ForwarderProcess.start(network.forwarder, {
      mode,
      listeners: [{ address: listener, pool: "web" }],
      pools: { web: { endpoints: hosts.map((host) => ({ address: `${host}:9000` })) } },
    });

  it.each(modes)("in %s carries a gigabyte without changing a byte of it", async (mode) => {
    await using _ = await start(mode, ["10.77.0.11"]);
    const { sent, got } = await network.client.do("send", listener, gigabyte, 65_536);
    expect(got).toBe(sent);
  });

  it.each(modes)("in %s carries what comes byte by byte, an end after it", async (mode) => {
    await using _ = await start(mode, ["10.77.0.11"]);
    const { sent, got } = await network.client.do("send", listener, 2_000, 1);
    expect(got).toBe(sent);
  });

  it.each(modes)("in %s holds 5,000 connections, spread evenly, in bounded memory", async (mode) => {
    await using forwarder = await start(mode, ["10.77.0.12", "10.77.0.13"]);
    const held = await network.client.do("hold", listener, connections);
    const first = held.filter(({ greeting }) => greeting.startsWith("10.77.0.12 ")).length;
    expect(first).toBe(connections / 2);
    const ids = held.map(({ id }) => id);
    expect(await network.client.do("echo", ids)).toBe(connections);
    const [, resident = "0"] = /process_resident_memory_bytes\S* (\d+)/.exec(await forwarder.metrics()) ?? [];
    expect(Number(resident)).toBeGreaterThan(0);
    expect(Number(resident) / 1_048_576).toBeLessThan(memoryMiBMax);
    await network.client.do("drop", ids);
  });
});
