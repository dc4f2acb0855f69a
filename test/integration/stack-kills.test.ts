import { execFile } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { Client, loadDuring } from "#test/support/client.ts";
import { isAlive, seenBy, startStack } from "#test/support/stack.ts";
import type { TestStack } from "#test/support/stack.ts";

const run = promisify(execFile);
const site = "www.stream.test";
let stack: TestStack;
let clients: Client[];

beforeAll(async () => {
  stack = await startStack({ nameServers: 154, euWest: 113, usEast: 114 }, "--no-demo");
  const nameServers = ["127.154.0.1:5300", "127.154.0.2:5300"];
  clients = ["127.49.0.7", "127.1.0.7"].map((address) => new Client(address, nameServers));
});
afterAll(() => stack?.[Symbol.asyncDispose]());

async function chaos(...args: string[]): Promise<string> {
  return (await run("./watershed", ["chaos", ...args], { env: stack.env })).stdout;
}

interface Status {
  readonly cuts: readonly string[];
  readonly pools: readonly { readonly endpoints: readonly { readonly state: string }[] }[];
}

describe("chaos cut", () => {
  /** Where a client is answered, by the origin's own word. */
  async function placeOf(client: Client): Promise<{ zone: string; region: string }> {
    const { status, body } = await client.fetch(site, "/api/users");
    expect(status, body).toBe(200);
    return JSON.parse(body) as { zone: string; region: string };
  }

  it("of a zone: dials into it time out, the other zone answers, and nobody fails", async () => {
    const [german] = clients as [Client];
    const { failures } = await loadDuring(clients, site, "/api/users", async () => {
      const cut = await chaos("cut", "zone", "eu-west-b");
      expect(cut).toContain("eu-west-b/origin  cut off from region-eu-west: dials time out");
      expect(cut).toMatch(/endpoint_down +pool api eu-west-b\/l4-1 CHECK_TIMEOUT/);
      expect(cut).toContain("seen by all 2 nodes");
      expect(await chaos("list")).toMatch(/^zone +eu-west-b +0\/3 running/m);
      for (let i = 0; i < 6; i++) expect((await placeOf(german)).zone).toBe("eu-west-a");
      expect(await chaos("heal", "zone", "eu-west-b")).toMatch(/eu-west-b\/l4-2 +in reach again/);
    });
    expect(failures).toEqual([]);
    expect(await chaos("list")).toMatch(/^zone +eu-west-b +running/m);
  });

  it("of a region: its clients are answered from the other one, and come home", async () => {
    const [german] = clients as [Client];
    const cut = await chaos("cut", "region", "eu-west");
    expect(cut).toMatch(/region_down +service web eu-west CHECK_TIMEOUT/);
    expect((await placeOf(german)).region).toBe("us-east");
    // Inside of it all stays as it is: its routers have all of their endpoints.
    const status = await (await fetch(`http://${stack.node("eu-west/l7-1").admin}/status`)).json();
    const { cuts, pools } = status as Status;
    expect(cuts).toEqual(["eu-west/l7-1"]);
    expect(pools.flatMap(({ endpoints }) => endpoints.map(({ state }) => state))).not.toContain("down");
    const late = german.fetchFrom("127.113.0.1", site, "/api/users");
    await chaos("heal", "region", "eu-west");
    expect((await late).status, "what a silent router was asked is answered once it is in reach").toBe(200);
    expect((await placeOf(german)).region).toBe("eu-west");
  });

  it("of what is paused or gone says so", async () => {
    await chaos("pause", "nameserver", "ns2");
    await expect(chaos("cut", "nameserver", "ns2")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("ns2 is paused, and takes no order: heal it first"),
    });
    await chaos("heal", "nameserver", "ns2");
  });
});

describe("kill -9", () => {
  const routers = ["us-east/l7-1", "us-east/l7-2"];
  const nameServers = ["ns1", "ns2"];

  /** What a killed process had in its hands may be lost: one request of each client at the most, and of a router only. What
   * a router has in its hands it sends again. */
  for (const { victim, target, inFlight, noticedBy, wanted } of [
    {
      victim: "us-east-a/l4-1",
      target: "forwarder",
      inFlight: 0,
      noticedBy: routers,
      wanted: { name: "us-east-a/l4-1" },
    },
    { victim: "us-east-b/origin", target: "origin", inFlight: 0, noticedBy: routers, wanted: { zone: "us-east-b" } },
    {
      victim: "us-east/l7-2",
      target: "router",
      inFlight: 2,
      noticedBy: nameServers,
      wanted: { endpoint: "127.114.0.2:8080" },
    },
    { victim: "ns1", target: "nameserver", inFlight: 0, noticedBy: [], wanted: {} },
  ])
    it(`of ${victim} loses no GET beyond those in its hands, and \`chaos heal\` brings it back`, async () => {
      const pid = (await stack.pids()).get(victim)!;
      const { requests, failures } = await loadDuring(clients, site, "/api/users", async () => {
        await seenBy(stack, noticedBy, "endpoint_down", wanted, async () => process.kill(pid, "SIGKILL"));
        for (const client of clients) await client.fetch(site, "/api/users");
        const name = target === "origin" ? victim.replace("/origin", "") : victim;
        await run("./watershed", ["chaos", "heal", target, name], { env: stack.env });
      });
      expect(failures.length, failures.join("\n")).toBeLessThanOrEqual(inFlight);
      expect(requests).toBeGreaterThan(10);
      expect((await stack.pids()).get(victim)).not.toBe(pid);
    });

  it("of the launcher leaves no process behind", async () => {
    const pids = [...(await stack.pids()).values()];
    const streams = nodesOf(stack.topology).map(({ admin }) => net.connect(parseSocketAddress(admin)!));
    await Promise.all(streams.map((socket) => once(socket, "connect")));
    const gone = Promise.all(
      streams.map((socket) => new Promise((resolve) => socket.on("error", () => {}).once("close", resolve))),
    );
    stack.launcher.kill("SIGKILL");
    await gone;
    await expect.poll(() => pids.filter(isAlive), { timeout: 5_000 }).toEqual([]);
  });
});
