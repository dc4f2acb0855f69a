import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ZodType } from "zod";
import { stringify } from "yaml";
import { parseConfig, validate } from "#shared/config/load.ts";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { originSchema } from "#shared/config/schema/origin.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { applyScale, clientAddressOf, configOf, nodesOf } from "./topology.ts";

const file = readFileSync(new URL("../../infra/topology.yaml", import.meta.url), "utf8");
const topology = parseConfig(file, "topology.yaml", topologySchema);

/** The file with some of its text replaced. */
function edited(...edits: readonly [from: string, to: string][]): string {
  let text = file;
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`topology.yaml has no ${from}`);
    text = text.replace(from, to);
  }
  return text;
}

const parsed = (...edits: readonly [from: string, to: string][]) =>
  parseConfig(edited(...edits), "topology.yaml", topologySchema);

const schemas: Record<string, ZodType> = {
  geodns: geodnsSchema,
  "l7-router": l7RouterSchema,
  "l4-forwarder": l4ForwarderSchema,
  origin: originSchema,
};

/** What the services refuse of the configs of all nodes. */
function refusals(of: Topology): string[] {
  return nodesOf(of).flatMap(({ name, service }) => {
    const derived = configOf(of, name);
    if (derived.service !== service) return `${name} runs ${derived.service}`;
    const result = schemas[service]?.safeParse(derived.config);
    return result?.success ? [] : `${name}: ${result?.error.message ?? "no such service"}`;
  });
}

const forwarder = (of: Topology, name: string) => validate(configOf(of, name).config, name, l4ForwarderSchema);
const router = (of: Topology, name: string) => validate(configOf(of, name).config, name, l7RouterSchema);
const origin = (of: Topology, name: string) => validate(configOf(of, name).config, name, originSchema);
const nameServer = (of: Topology, name: string) => validate(configOf(of, name).config, name, geodnsSchema);

const thirdRegion: [string, string] = [
  "  us-east: {",
  "  ap-south: { number: 13, location: [1.35, 103.82], zones: [a, c], routers: 3 }\n  us-east: {",
];

describe("the stack of infra/topology.yaml", () => {
  it("has these nodes, in the order of their start, at the addresses that the design names", () => {
    expect(nodesOf(topology).map(({ name, service, zone, address }) => [name, service, zone, address])).toEqual([
      ["eu-west-a/origin", "origin", "eu-west-a", "127.11.1.9"],
      ["eu-west-b/origin", "origin", "eu-west-b", "127.11.2.9"],
      ["us-east-a/origin", "origin", "us-east-a", "127.12.1.9"],
      ["us-east-b/origin", "origin", "us-east-b", "127.12.2.9"],
      ["eu-west-a/l4-1", "l4-forwarder", "eu-west-a", "127.11.1.1"],
      ["eu-west-a/l4-2", "l4-forwarder", "eu-west-a", "127.11.1.2"],
      ["eu-west-b/l4-1", "l4-forwarder", "eu-west-b", "127.11.2.1"],
      ["eu-west-b/l4-2", "l4-forwarder", "eu-west-b", "127.11.2.2"],
      ["us-east-a/l4-1", "l4-forwarder", "us-east-a", "127.12.1.1"],
      ["us-east-a/l4-2", "l4-forwarder", "us-east-a", "127.12.1.2"],
      ["us-east-b/l4-1", "l4-forwarder", "us-east-b", "127.12.2.1"],
      ["us-east-b/l4-2", "l4-forwarder", "us-east-b", "127.12.2.2"],
      ["eu-west/l7-1", "l7-router", "eu-west-a", "127.11.0.1"],
      ["eu-west/l7-2", "l7-router", "eu-west-b", "127.11.0.2"],
      ["us-east/l7-1", "l7-router", "us-east-a", "127.12.0.1"],
      ["us-east/l7-2", "l7-router", "us-east-b", "127.12.0.2"],
      ["ns1", "geodns", null, "127.53.0.1"],
      ["ns2", "geodns", null, "127.53.0.2"],
    ]);
  });

  it("says what each node listens on", () => {
    const listens = (name: string) => nodesOf(topology).find((node) => node.name === name)?.listens;
    const tcp = "tcp";
    expect(listens("ns2")).toEqual([{ address: "127.53.0.2:5300", protocol: "udp+tcp", what: "DNS" }]);
    expect(listens("us-east/l7-1")).toEqual([
      { address: "127.12.0.1:8080", protocol: tcp, what: "HTTP" },
      { address: "127.12.0.1:8443", protocol: tcp, what: "HTTPS" },
    ]);
    expect(listens("eu-west-b/l4-1")).toEqual([
      { address: "127.11.2.1:7001", protocol: tcp, what: "web" },
      { address: "127.11.2.1:7002", protocol: tcp, what: "api" },
      { address: "127.11.2.1:7003", protocol: tcp, what: "static" },
      { address: "127.11.2.1:7004", protocol: tcp, what: "admin" },
      { address: "127.11.2.1:7005", protocol: "udp", what: "telemetry" },
      { address: "127.11.2.1:6379", protocol: tcp, what: "db" },
    ]);
    expect(listens("eu-west-a/origin")).toContainEqual({ address: "127.11.1.102:9000", protocol: tcp, what: "api-3" });
    expect(listens("eu-west-a/origin")).toContainEqual({
      address: "127.11.1.180:9000",
      protocol: "udp",
      what: "telemetry-1",
    });
  });

  it("gives no address to two sockets", () => {
    for (const scaled of [topology, applyScale(topology, "netflix"), parsed(thirdRegion)]) {
      const sockets = nodesOf(scaled).flatMap(({ admin, listens }) => [
        admin,
        ...listens.map(({ address }) => address),
      ]);
      expect(new Set(sockets).size).toBe(sockets.length);
    }
  });

  it.each(["ns1", "eu-west/l7-2", "eu-west-a/l4-2", "us-east-b/origin"])("derives the config of %s", async (name) => {
    const golden = `./goldens/${name.replace("/", "-")}.yaml`;
    await expect(stringify(configOf(topology, name).config, { lineWidth: 0 })).toMatchFileSnapshot(golden);
  });

  it("derives a config that its service accepts for every node, at every scale", () => {
    expect(refusals(topology)).toEqual([]);
    expect(refusals(applyScale(topology, "netflix"))).toEqual([]);
  });

  it("keeps routers listening for one DNS TTL, and no other node", () => {
    expect(router(topology, "eu-west/l7-1").drain).toEqual({ holdMs: 10_000, timeoutMs: 25_000 });
    for (const name of ["ns1", "eu-west-a/l4-1", "eu-west-a/origin"])
      expect(configOf(topology, name).config["drain"]).toEqual({ hold: "0s", timeout: "25s" });
  });
});

describe("scale", () => {
  const netflix = applyScale(topology, "netflix");

  it("netflix gives each zone 50 web, 20 api and 10 db servers and leaves the others", () => {
    const { servers } = origin(netflix, "us-east-a/origin");
    const counts = Object.fromEntries(
      Map.groupBy(servers, ({ service }) => service)
        .entries()
        .map(([k, v]) => [k, v.length]),
    );
    expect(counts).toEqual({ web: 50, api: 20, static: 2, admin: 1, telemetry: 1, db: 10 });
    expect(servers.find(({ name }) => name === "web-50")?.address).toBe("127.12.1.59:9000");
    expect(forwarder(netflix, "eu-west-b/l4-2").pools["db"]?.endpoints.at(-1)).toMatchObject({
      address: "127.11.2.209:9000",
      name: "db-10",
    });
  });

  it("changes nothing when none is asked for, and not the topology it is given", () => {
    expect(applyScale(topology, undefined)).toBe(topology);
    expect(topology.services.web?.servers).toBe(4);
  });

  it.each([
    ["netfix", 'there is no scale "netfix" (did you mean "netflix"?)'],
    ["constructor", 'there is no scale "constructor" (known: netflix)'],
  ])("%s is refused", (scale, says) => {
    expect(() => applyScale(topology, scale)).toThrow(new UsageError(says));
  });
});

describe("a further region or zone is a few lines", () => {
  const three = parsed(thirdRegion);

  it("a third region gets nodes, a place in DNS and a config for each", () => {
    expect(refusals(three)).toEqual([]);
    const names = nodesOf(three).flatMap(({ name, zone, address }) =>
      name.startsWith("ap-south") ? [`${name} ${zone} ${address}`] : [],
    );
    expect(names).toEqual([
      "ap-south-a/origin ap-south-a 127.13.1.9",
      "ap-south-c/origin ap-south-c 127.13.3.9",
      "ap-south-a/l4-1 ap-south-a 127.13.1.1",
      "ap-south-a/l4-2 ap-south-a 127.13.1.2",
      "ap-south-c/l4-1 ap-south-c 127.13.3.1",
      "ap-south-c/l4-2 ap-south-c 127.13.3.2",
      "ap-south/l7-1 ap-south-a 127.13.0.1",
      "ap-south/l7-2 ap-south-c 127.13.0.2",
      "ap-south/l7-3 ap-south-a 127.13.0.3",
    ]);
    const { regions, services } = nameServer(three, "ns1");
    expect(regions["ap-south"]).toEqual({ location: [1.35, 103.82], capacity: 1 });
    expect(services["web"]?.regions["ap-south"]?.addresses).toEqual(["127.13.0.1", "127.13.0.2", "127.13.0.3"]);
  });

  it("routers balance over the forwarders of their own region alone", () => {
    const endpoints = router(three, "ap-south/l7-2").pools["web"]?.endpoints ?? [];
    expect(endpoints.map(({ name, address, zone }) => [name, address, zone])).toEqual([
      ["ap-south-a/l4-1", "127.13.1.1:7001", "ap-south-a"],
      ["ap-south-a/l4-2", "127.13.1.2:7001", "ap-south-a"],
      ["ap-south-c/l4-1", "127.13.3.1:7001", "ap-south-c"],
      ["ap-south-c/l4-2", "127.13.3.2:7001", "ap-south-c"],
    ]);
  });

  it("api servers read from both forwarders of their zone", () => {
    expect(origin(three, "ap-south-c/origin").replicas).toEqual(["127.13.3.1:6379", "127.13.3.2:6379"]);
  });

  it("a third zone is one number", () => {
    const wide = parsed(["zones: 2", "zones: 3"]);
    expect(refusals(wide)).toEqual([]);
    expect(origin(wide, "eu-west-c/origin").servers[0]?.address).toBe("127.11.3.10:9000");
  });

  it("a service may be left out", () => {
    const lean = parsed(
      ["  db: {", "  # db: {"],
      ["  admin: {", "  # admin: {"],
      ["  - { match: { path: /admin/* }, service: admin }\n", ""],
      [", db: 10", ""],
    );
    expect(refusals(lean)).toEqual([]);
    expect(origin(lean, "eu-west-a/origin").replicas).toEqual([]);
    expect(Object.keys(router(lean, "eu-west/l7-1").pools)).toEqual(["web", "api", "static"]);
  });
});

describe("clients", () => {
  it.each([
    ["DE", "127.49.0.7", "DE"],
    ["us", "127.1.0.7", "US"],
    ["Jp", "127.81.0.7", "JP"],
    ["127.44.3.2", "127.44.3.2", "GB"],
    ["127.11.0.1", "127.11.0.1", null],
    ["81.2.69.142", "81.2.69.142", null],
    ["2001:DB8::1", "2001:db8::1", null],
  ])("%s is %s, %s", (from, address, country) => {
    expect(clientAddressOf(topology, from)).toEqual({ address, country });
  });

  it.each(["XX", "Germany", "127.0.0", "", "__proto__"])("%j is refused, and the countries are named", (from) => {
    expect(() => clientAddressOf(topology, from)).toThrow(UsageError);
    expect(() => clientAddressOf(topology, from)).toThrow(
      /^".*" is neither an IP address nor a country that has a test client \(US RU EG .* IR\)$/,
    );
  });
});

describe("a geo database of one's own", () => {
  const own = parseConfig(
    `${file}\ngeo:\n  database: data/my.mmdb\n  networks: { 192.0.2.0/24: { country: DE, asn: 64500 } }\n`,
    "topology.yaml",
    topologySchema,
  );
  const geoOf = (of: Topology, plan: "loopback" | "containers") =>
    configOf(of, "ns2", plan).config["geo"] as { database?: string; networks: Record<string, unknown> };

  it("is that of every name server: where it lies, or where it is mounted", () => {
    expect(geoOf(own, "loopback").database).toBe("data/my.mmdb");
    expect(geoOf(own, "containers").database).toBe("/geo/my.mmdb");
    expect(geoOf(topology, "containers").database).toBeUndefined();
    expect(refusals(own)).toEqual([]);
  });

  it("has networks of one's own beside those of the test clients", () => {
    expect(geoOf(own, "loopback").networks).toMatchObject({
      "127.49.0.0/16": { country: "DE" },
      "192.0.2.0/24": { country: "DE", asn: 64_500 },
    });
  });
});

it("an unknown node is refused with the nearest name", () => {
  expect(() => configOf(topology, "eu-west-a/l4-3")).toThrow(
    new UsageError('there is no node "eu-west-a/l4-3" in the topology (did you mean eu-west-a/l4-1?)'),
  );
  expect(() => configOf(topology, "tokyo")).toThrow(
    /^there is no node "tokyo" in the topology \(the nodes are .* and 6 more\)$/,
  );
});
