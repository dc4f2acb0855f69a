import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import type { AdminListener } from "#shared/server/admin.ts";
import { UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import { listenAdminOf, watershed } from "#test/support/geodns-admin.ts";
import { GeodnsBench, addressesOf, dnsZone } from "#test/support/geodns.ts";
import { mmdb } from "#test/support/mmdb.ts";

/** Every rule of steering, from the config to an answer over a socket, with what explain says of it. */

const shiftedNetworks = 64;
const countries = {
  "10.1.0.0/16": "DE",
  "10.2.0.0/16": "BR",
  "10.3.0.0/16": "JP",
  "10.5.0.0/16": "US",
  "10.6.0.0/16": "IN",
  ...Object.fromEntries(Array.from({ length: shiftedNetworks }, (_, i) => [`10.4.${i}.0/24`, "PT"])),
};
const systems = { "10.3.7.0/24": 64_500, "10.1.7.0/24": 64_500 };

const eu = "192.0.2.1";
const us = "198.51.100.1";
const ap = "203.0.113.1";
const many = Array.from({ length: 6 }, (_, i) => `192.0.2.${10 + i}`);

let folder = "";
let bench: GeodnsBench;
let admin: AdminListener;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-steering-"));
  const [database, asnDatabase] = ["country", "asn"].map((name) => path.join(folder, `${name}.mmdb`));
  await writeFile(database!, mmdb(countries));
  await writeFile(asnDatabase!, mmdb(systems));
  bench = await GeodnsBench.open(99);
  const regions = { eu: { addresses: [eu] }, us: { addresses: [us] }, ap: { addresses: [ap] } };
  await bench.startReady(
    bench.config({
      geo: { database, asnDatabase },
      regions: {
        eu: { location: [53, -6], capacity: 2 },
        us: { location: [39, -77] },
        ap: { location: [35, 139] },
      },
      steering: {
        networks: { "10.1.9.0/24": ["ap"], "10.1.9.128/25": ["us"] },
        asns: { 64500: ["us", "eu"] },
        countries: { BR: ["us", "eu"] },
        continents: { EU: ["eu", "us"] },
        shift: [{ from: "eu", to: "us", percent: 50, countries: ["PT"] }],
      },
      services: {
        web: { regions },
        pair: { regions, answerRegions: 2 },
        many: { regions: { eu: { addresses: many } }, answers: 2 },
      },
      dnsZones: { "stream.test": dnsZone({ pair: { geo: "pair" }, many: { geo: "many" } }) },
    }),
  );
  admin = await listenAdminOf(bench);
});
afterAll(async () => {
  await admin.close();
  await bench[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const ask = (udp: UdpClient, client: string, name = "www.stream.test") =>
  udp.ask(queryBytes({ name, edns: { options: [ecs(1, 32, [...parseAddress(client)!])] } }));
const asked = async (client: string, name?: string) => {
  using udp = new UdpClient(bench.address);
  return await ask(udp, client, name);
};

describe("the rule that matches first", () => {
  it.each([
    { client: "10.1.1.1", rule: "continent EU", gets: eu, list: ["eu", "us"] },
    { client: "10.2.1.1", rule: "country BR", gets: us, list: ["us", "eu"] },
    { client: "10.3.1.1", rule: /^nearest: ap \d+ km, /, gets: ap, list: ["ap", "eu", "us"] },
    { client: "10.3.7.1", rule: "ASN 64500", gets: us, list: ["us", "eu"] },
    { client: "10.1.7.1", rule: "ASN 64500", gets: us, list: ["us", "eu"] }, // before its continent
    { client: "10.1.9.1", rule: "network 10.1.9.0/24", gets: ap, list: ["ap"] },
    { client: "10.1.9.129", rule: "network 10.1.9.128/25", gets: us, list: ["us"] }, // the longest
    // As the crow flies ap is nearer to India; eu has twice its capacity, and reaches twice as far.
    { client: "10.6.1.1", rule: /^nearest: eu \d+ km ÷ 2, ap \d+ km, us \d+ km$/, gets: eu, list: ["eu", "ap", "us"] },
    {
      client: "10.99.1.1",
      rule: "nearest: place unknown, regions in the order of the config",
      gets: eu,
      list: ["eu", "us", "ap"],
    },
  ])("$client: $rule", async ({ client, rule, gets, list }) => {
    const reply = await asked(client);
    expect(addressesOf(reply)).toEqual([gets]);
    const scope = reply.opt?.options.get(8)?.[3];
    const wanted = { rule: typeof rule === "string" ? rule : expect.stringMatching(rule), list };
    const answered = { ...wanted, reason: "OK", region: list[0], answer: [gets], ttl: 10, ttlReason: "OK", scope };
    const query = `name=www.stream.test&client=127.0.0.1&ecs=${client}/32`;
    expect(await (await fetch(`http://${admin.address}/explain?${query}`)).json()).toMatchObject(answered);
    const told = await watershed(admin, "explain", "dns", "www.stream.test", "--ecs", `${client}/32`, "--json");
    expect(told.code).toBe(0);
    expect(JSON.parse(told.output)).toMatchObject(answered);
    const geo = await watershed(admin, "geo", client, "--json");
    expect(JSON.parse(geo.output)).toMatchObject({ addresses: [{ address: client, ...wanted, scope }] });
  });

  it("is told to people too", async () => {
    const { output } = await watershed(admin, "explain", "dns", "www.stream.test", "--ecs", "10.3.7.1/32");
    expect(output).toContain("rule     ASN 64500");
    expect(output).toContain("outcome  web → us (OK)");
  });
});

describe("a weighted region", () => {
  it("moves its share of the networks, each whole and for good, and says so", async () => {
    using udp = new UdpClient(bench.address);
    const first = [];
    for (let i = 0; i < shiftedNetworks; i++) first.push((await ask(udp, `10.4.${i}.1`)).answers[0]?.text);
    const moved = first.filter((address) => address === us).length;
    expect(first.every((address) => address === us || address === eu)).toBe(true);
    expect(moved).toBeGreaterThan(shiftedNetworks * 0.3);
    expect(moved).toBeLessThan(shiftedNetworks * 0.7);
    for (let i = 0; i < shiftedNetworks; i++) expect((await ask(udp, `10.4.${i}.200`)).answers[0]?.text).toBe(first[i]);
    const at = first.indexOf(us);
    expect(bench.explain({ name: "www.stream.test", client: "127.0.0.1", ecs: `10.4.${at}.1/32` })).toMatchObject({
      rule: "continent EU, 50 % of eu shifted to us",
      shift: { from: "eu", to: "us", percent: 50 },
      list: ["us", "eu"],
    });
  });
});

describe("an answer of the nearest two regions", () => {
  it("holds both, and begins with each as often as its capacity says", async () => {
    using udp = new UdpClient(bench.address);
    const begun = new Map<string, number>();
    for (let i = 0; i < 30; i++) {
      const reply = await ask(udp, "10.6.1.1", "pair.stream.test");
      expect(addressesOf(reply)).toEqual([eu, ap]);
      const { text } = reply.answers[0]!;
      begun.set(text, (begun.get(text) ?? 0) + 1);
    }
    expect(Object.fromEntries(begun)).toEqual({ [eu]: 20, [ap]: 10 });
    const { regions } = bench.explain({ name: "pair.stream.test", client: "10.6.1.1" });
    expect(regions).toMatchObject([
      { region: "eu", chosen: true },
      { region: "ap", chosen: true },
      { region: "us", chosen: false },
    ]);
  });
});

describe("more addresses than an answer may hold", () => {
  it("rotate: each answer has two, and each address comes first in turn", async () => {
    using udp = new UdpClient(bench.address);
    const firsts = [];
    for (let i = 0; i < 2 * many.length; i++) {
      const { answers } = await ask(udp, "10.1.1.1", "many.stream.test");
      expect(new Set(answers.map(({ text }) => text)).size).toBe(2);
      firsts.push(answers[0]?.text ?? "");
    }
    for (const round of [firsts.slice(0, many.length), firsts.slice(many.length)])
      expect(round.toSorted()).toEqual(many);
  });
});
