import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GeodnsBench, addressesOf, german } from "#test/support/geodns.ts";

/** What the checks of a service see decides what is answered, whatever kind they are. */
let bench: GeodnsBench;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-checks-"));
  bench = await GeodnsBench.open(94);
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const euRouters = () => bench.routers.slice(0, 2);
/** While it is there, the exec check of an address passes. */
const flag = (host: string) => path.join(folder, host);

interface Case {
  readonly name: string;
  readonly health: () => Record<string, unknown>;
  readonly fail: () => Promise<unknown>;
  readonly reason: string;
}

const cases: readonly Case[] = [
  {
    name: "http, by status",
    health: () => ({ type: "http", expectStatus: [200, 204] }),
    fail: async () => euRouters().forEach((router) => (router.says = "error")),
    reason: "CHECK_STATUS",
  },
  {
    name: "http, by what stands in the body",
    health: () => ({ type: "http", expectBody: "all is well" }),
    fail: async () => euRouters().forEach((router) => (router.body = "all is lost")),
    reason: "CHECK_FAILED",
  },
  {
    name: "tcp",
    health: () => ({ type: "tcp" }),
    fail: () => bench.stopRouters(bench.euWest),
    reason: "CHECK_REFUSED",
  },
  {
    name: "exec",
    health: () => ({ type: "exec", command: ["/usr/bin/test", "-e", path.join(folder, "{address}")], timeout: "2s" }),
    fail: () => Promise.all(bench.euWest.map((host) => rm(flag(host)))),
    reason: "CHECK_STATUS",
  },
];

describe("a region that a check finds down", () => {
  it.each(cases)("$name: the answer moves, and explain says why", async ({ health, fail, reason }) => {
    for (const router of bench.routers) router.body = "it says: all is well";
    for (const host of [...bench.euWest, ...bench.usEast]) await writeFile(flag(host), "");
    const { port, ...common } = bench.webService().health;
    const web = bench.webService({ health: { ...common, port, ...health() } });
    await bench.startReady(bench.config({ services: { web } }));
    expect(addressesOf(await bench.ask(german))).toEqual(bench.euWest);
    await fail();
    await bench.until(() => bench.told("region_down").length === 1);
    expect(addressesOf(await bench.ask(german))).toEqual(bench.usEast);
    expect(bench.explain({ name: "www.stream.test", client: german })).toMatchObject({
      reason: "REGION_FAILOVER",
      region: "us-east",
      regions: [
        { region: "eu-west", healthy: false, reason },
        { region: "us-east", healthy: true },
      ],
    });
  });
});
