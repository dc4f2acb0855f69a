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
