import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminListener } from "#shared/server/admin.ts";
import { listenAdminOf, watershed as runWatershed } from "#test/support/geodns-admin.ts";
import { GeodnsBench, addressesOf, american, german } from "#test/support/geodns.ts";

let folder = "";
let file = "";
let bench: GeodnsBench;
let admin: AdminListener;

/** A name server with its admin API; its routers stay when it is restarted. */
async function start(): Promise<void> {
  await bench.startReady(bench.config({ overrides: file }));
  admin = await listenAdminOf(bench);
}

async function restart(): Promise<void> {
  await admin.close();
  await bench.server.close();
  await start();
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-overrides-"));
  file = path.join(folder, "state.yaml");
  bench = await GeodnsBench.open(93);
  await start();
});
afterEach(async () => {
  await admin.close();
  await bench[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const post = async (target: string) => {
  const response = await fetch(`http://${admin.address}${target}`, { method: "POST" });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
};
const asked = async (client: string) => addressesOf(await bench.ask(client));
const explained = (client: string) => bench.explain({ name: "www.stream.test", client });

const watershed = (...args: readonly string[]) => runWatershed(admin, ...args);

describe("a region that an operator sets", () => {
  it("is drained, at once and after a restart, and comes back", async () => {
    expect(await post("/regions/eu-west/drain")).toEqual({
      status: 200,
      body: { region: "eu-west", service: null, state: "drain", kept: true },
    });
    expect(await asked(german)).toEqual(bench.usEast);
    expect(explained(german)).toMatchObject({
      reason: "REGION_FAILOVER",
      regions: [{ region: "eu-west", healthy: false, reason: "DRAINING", override: "drain" }, { region: "us-east" }],
    });
    expect(bench.told("region_down").at(-1)?.data).toMatchObject({ region: "eu-west", reason: "DRAINING" });
    await restart();
    expect(await asked(german)).toEqual(bench.usEast);
    await post("/regions/eu-west/auto");
    expect(await asked(german)).toEqual(bench.euWest);
    expect(bench.told("override_set").at(-1)?.data).toEqual({ region: "eu-west", state: "auto", by: "admin" });
  });

  it("that is drained still answers when no other is up; one that is down does not", async () => {
    await post("/regions/us-east/drain");
    await post("/regions/eu-west/down?service=web");
    expect(await asked(german)).toEqual(bench.usEast);
    expect(explained(german)).toMatchObject({ reason: "FAIL_OPEN" });
    await post("/regions/us-east/down");
    expect(await asked(german)).toHaveLength(4); // Nothing is left: better any address than none.
  });

  it("is held up, though every check fails", async () => {
    await post("/regions/eu-west/up");
    await bench.stopRouters(bench.euWest);
    await bench.until(() => bench.upCount === 2);
    expect(await asked(german)).toEqual(bench.euWest);
    expect(explained(german)).toMatchObject({
      reason: "OK",
      regions: [{ region: "eu-west", healthy: true, reason: "FORCED_UP", override: "up" }, { region: "us-east" }],
    });
    await post("/regions/eu-west/auto");
    expect(await asked(german)).toEqual(bench.usEast);
  });

  it("of one service wins over that of all", async () => {
    await post("/regions/eu-west/down");
    await post("/regions/eu-west/up?service=web");
    expect(await asked(german)).toEqual(bench.euWest);
    await post("/regions/eu-west/auto?service=web");
    expect(await asked(german)).toEqual(bench.usEast);
  });

  it.each([
    { target: "/regions/eu-wset/drain", status: 404, error: 'there is no region "eu-wset" (known: eu-west, us-east)' },
    { target: "/regions/eu-west/stop", status: 400, error: '"stop" is none of up, down, drain, auto' },
    { target: "/regions/eu-west/up?service=x", status: 404, error: 'there is no service "x" (known: web)' },
  ])("$target: $error", async ({ target, status, error }) => {
    expect(await post(target)).toEqual({ status, body: { error } });
  });
});

describe("an address that an operator sets", () => {
  it.each([
    { action: "down", state: "disabled", left: true },
    { action: "drain", state: "draining", left: true },
    { action: "disable", state: "disabled", left: true },
    { action: "up", state: "up", left: false },
  ])("stays so after a restart: $action", async ({ action, state, left }) => {
    const [first = "", second = ""] = bench.euWest;
    expect(await post(`/pools/web/endpoints/${first}/${action}`)).toMatchObject({ status: 200 });
    await restart();
    expect(await asked(german)).toEqual(left ? [second] : [first, second]);
    const [region] = explained(german)["regions"] as { addresses: unknown[] }[];
    expect(region?.addresses[0]).toMatchObject({ address: first, state });
    await post(`/pools/web/endpoints/${first}/auto`);
    expect(await asked(german)).toEqual(bench.euWest);
    expect(await readFile(file, "utf8")).toBe("{}\n");
  });
});

describe("the file of overrides", () => {
  it("is obeyed as it is edited; a broken one is told, and the old state stays", async () => {
    const refused = bench.until(() => bench.told("overrides_refused").length === 1);
    await writeFile(file, "regions:\n  eu-west: down\n");
    await bench.until(() => bench.told("override_set").length === 1);
    expect(await asked(german)).toEqual(bench.usEast);
    await writeFile(file, "regions:\n  eu-west: dwon\n");
    await refused;
    expect(await asked(german)).toEqual(bench.usEast);
    expect(bench.server.status()).toMatchObject({
      overrides: { error: expect.stringContaining(`${file}:2:12 regions.eu-west`), regions: { "eu-west": "down" } },
    });
    expect((await post("/regions/us-east/drain")).status).toBe(400);
    expect(await asked(american)).toEqual(bench.usEast);
  });
});

describe("while a check fails, and after an address came back", () => {
  it("the TTL is lower", async () => {
    const ttl = async () => (await bench.ask(german)).answers[0]?.ttl;
    expect(await ttl()).toBe(10);
    bench.routers[0]!.says = "draining";
    await bench.until(() => bench.upCount === 3);
    bench.routers[0]!.says = "ok";
    await bench.until(() => bench.upCount === 4);
    expect(await ttl()).toBe(5);
    expect(explained(german)).toMatchObject({ ttl: 5, ttlReason: "CHANGING" });
    expect((await bench.ask(american)).answers[0]?.ttl).toBe(10);
  });
});

describe("the command line", () => {
  it("explains an answer", async () => {
    const { code, output } = await watershed("explain", "dns", "www.stream.test", "--client", german);
    expect(output).toContain("place    DE, EU");
    expect(output).toContain("by override 127.49.0.0/16");
    expect(output).toContain("rule     continent EU");
    expect(output).toContain("outcome  web → eu-west (OK)");
    expect(output).toMatch(/→\s+eu-west\s+up\s+OK/);
    expect(code).toBe(0);
    const json = await watershed("explain", "dns", "www.stream.test", "--ecs", "127.1.0.0/24", "--json");
    expect(JSON.parse(json.output)).toMatchObject({ decidedBy: "ecs", region: "us-east", server: admin.address });
  });

  it("tells where addresses are, and their regions", async () => {
    const { code, output } = await watershed("geo", german, "2002:7f01:7::1");
    expect(output).toMatch(/127\.49\.0\.7\s+DE, EU.*eu-west, us-east\s+continent EU\s+\/\d+/);
    expect(output).toMatch(/2002:7f01:7::1\s+US, NA.*as 127\.1\.0\.7 \(6to4\)\s+us-east, eu-west/);
    expect(code).toBe(0);
  });

  it("forces regions and addresses", async () => {
    expect(await watershed("dns", "drain", "eu-west")).toMatchObject({ code: 0 });
    expect(await asked(german)).toEqual(bench.usEast);
    expect(await watershed("dns", "auto", "eu-west")).toMatchObject({ code: 0 });
    expect(await watershed("dns", "down", bench.euWest[0]!)).toMatchObject({ code: 0 });
    expect(await asked(german)).toEqual([bench.euWest[1]]);
    const wrong = await watershed("dns", "down", "eu-wset");
    expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('there is no region "eu-wset"') });
    expect(await watershed("dns", "down", "192.0.2.1")).toMatchObject({
      code: 1,
      output: expect.stringContaining("no service has the address 192.0.2.1"),
    });
  });

  it.each([
    { args: ["explain", "dns", "www.stream.test"], says: "say who asks" },
    { args: ["explain", "dns", "www.stream.test", "--from", "DE"], says: "--from needs a stack" },
    { args: ["explain", "dns", "www.stream.test", "--client", "x"], says: 'error: --client: "x" is not an IP address' },
    { args: ["explain", "dns", "a..b", "--client", german], says: "explain needs name=NAME" },
    { args: ["geo", "nowhere"], says: '"nowhere" is not an IP address' },
    { args: ["geo", german, "--server", "ns1"], says: "--admin names a name server of no stack" },
  ])("$args: $says", async ({ args, says }) => {
    expect(await watershed(...args)).toMatchObject({ code: 2, output: expect.stringContaining(says) });
  });
});
