import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { AdminListener } from "#shared/server/admin.ts";
import { createKey } from "#geodns/dnssec/key-store.ts";
import type { StoredKey } from "#geodns/dnssec/key-store.ts";
import { dnskeyText, keyFlags } from "#geodns/dnssec/rdata.ts";
import { parseName } from "#geodns/wire/name.ts";
import { unsignedOf } from "#test/support/dnssec.ts";
import { listenAdminOf } from "#test/support/geodns-admin.ts";
import { GeodnsBench, addressesOf, american, dnsZone, german } from "#test/support/geodns.ts";
import { hasClient } from "#test/support/real-clients.ts";

const run = promisify(execFile);
const hasDelv = hasClient("delv");
const active = { publish: 0, activate: 0, inactive: undefined, delete: undefined };

let folder = "";
let file = "";
let stored: StoredKey;
let bench: GeodnsBench;
let admin: AdminListener;

async function start(): Promise<void> {
  const zone = { ...dnsZone(), dnssec: { keys: path.join(folder, "keys") } };
  await bench.startReady(bench.config({ overrides: file, dnsZones: { "stream.test": zone } }));
  admin = await listenAdminOf(bench);
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "watershed-signed-"));
  file = path.join(folder, "state.yaml");
  stored = createKey(path.join(folder, "keys"), parseName("stream.test.", "")!, keyFlags.entryPoint, active, 0);
  bench = await GeodnsBench.open(98);
  await start();
});
afterEach(async () => {
  await admin.close();
  await bench[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const post = async (target: string) =>
  expect((await fetch(`http://${admin.address}${target}`, { method: "POST" })).status).toBe(200);

/** Asks for a steered name and for an alias of it, twice each, so that what was signed before is copied too.
 * @returns the addresses, once every record set has a signature that fits it */
async function signedAddresses(client: string): Promise<readonly string[]> {
  let addresses: readonly string[] = [];
  for (const name of ["www.stream.test", "www.stream.test", "api.stream.test", "api.stream.test"]) {
    const reply = await bench.ask(client, { name, edns: { flags: 0x8000 } });
    expect(reply.answers.some(({ type }) => type === 46)).toBe(true);
    expect(unsignedOf(reply, stored.key)).toEqual([]);
    addresses = addressesOf(reply);
  }
  if (hasDelv) expect(await delv(client)).toContain("; fully validated");
  return addresses;
}

/** What delv says, trusting our key alone. */
async function delv(client: string): Promise<string> {
  const [flags, protocol, algorithm, base64] = dnskeyText(stored.key.dnskey).split(" ");
  const anchor = path.join(folder, "anchor");
  const text = `trust-anchors { "stream.test." static-key ${flags} ${protocol} ${algorithm} "${base64}"; };\n`;
  await writeFile(anchor, text);
  const { host, port } = parseSocketAddress(bench.address)!;
  const argv = [`@${host}`, "-p", String(port), "-b", client, "-a", anchor, "+root=stream.test", "www.stream.test"];
  return (await run("delv", argv)).stdout;
}

describe("signed answers validate after every change by an operator", () => {
  it("a region drained, down, up and left to its checks, and after a restart", async () => {
    expect(await signedAddresses(german)).toEqual(bench.euWest);
    expect(await signedAddresses(american)).toEqual(bench.usEast);
    for (const state of ["drain", "down"]) {
      await post(`/regions/eu-west/${state}`);
      expect(await signedAddresses(german)).toEqual(bench.usEast);
    }
    await admin.close();
    await bench.server.close();
    await start();
    expect(await signedAddresses(german)).toEqual(bench.usEast);
    await post("/regions/eu-west/up");
    expect(await signedAddresses(german)).toEqual(bench.euWest);
    await post("/regions/eu-west/auto");
    expect(await signedAddresses(german)).toEqual(bench.euWest);
  });

  it("a region held up whose checks all fail", async () => {
    await post("/regions/eu-west/up");
    await bench.stopRouters(bench.euWest);
    await bench.until(() => bench.upCount === 2);
    expect(await signedAddresses(german)).toEqual(bench.euWest);
    await post("/regions/eu-west/auto");
    expect(await signedAddresses(german)).toEqual(bench.usEast);
  });

  it("an address drained, down and up", async () => {
    const [first = "", second = ""] = bench.euWest;
    for (const state of ["drain", "down"]) {
      await post(`/pools/web/endpoints/${first}/${state}`);
      expect(await signedAddresses(german)).toEqual([second]);
    }
    await post(`/pools/web/endpoints/${first}/up`);
    expect(await signedAddresses(german)).toEqual(bench.euWest);
  });

  it("every region down: all addresses, signed", async () => {
    for (const region of ["eu-west", "us-east"]) await post(`/regions/${region}/down`);
    expect(await signedAddresses(german)).toEqual([...bench.euWest, ...bench.usEast]);
  });

  it("the file of overrides, edited", async () => {
    await writeFile(file, "regions:\n  eu-west: down\n");
    await bench.until(() => bench.told("override_set").length === 1);
    expect(await signedAddresses(german)).toEqual(bench.usEast);
    await writeFile(file, "services:\n  web: {addresses: {" + bench.euWest[0] + ": drain}}\n");
    await bench.until(() => bench.told("override_set").length > 1);
    expect(await signedAddresses(german)).toEqual([bench.euWest[1]]);
  });
});
