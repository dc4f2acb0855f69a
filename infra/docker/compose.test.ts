import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "#shared/config/load.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { composeFile, composeName, resolvConf } from "./compose-file.ts";
import { profiles } from "./compose-parts.ts";
import { postgresForwarderConfigs } from "./compose-postgres.ts";
import { staleComposeDocuments } from "./compose.ts";
import { isIn } from "./networks.ts";

interface ComposeService {
  image: string;
  command?: string[];
  networks?: Record<string, { ipv4_address: string }>;
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  profiles?: string[];
  cap_add?: string[];
  cap_drop?: string[];
  security_opt?: string[];
  read_only?: boolean;
  restart?: string;
  volumes?: (string | object)[];
  network_mode?: string;
  environment?: Record<string, string>;
  privileged?: boolean;
}

interface ComposeDocument {
  services: Record<string, ComposeService>;
  networks: Record<
    string,
    { name: string; internal?: boolean; ipam: { config: { subnet: string; gateway: string }[] } }
  >;
}

const file = readFileSync(new URL("../topology.yaml", import.meta.url), "utf8");
const withText = (text: string) => parseConfig(`${file}\n${text}`, "topology.yaml", topologySchema);
const edited = (from: string, to: string) => parseConfig(file.replace(from, to), "topology.yaml", topologySchema);
const topology = withText("");
const document = parse(composeFile(topology), { merge: true, maxAliasCount: -1 }) as ComposeDocument;
const { services, networks } = document;
const nodes = nodesOf(topology, "containers");

it("docker-compose.yml and resolv.conf are what the topology says (npm run compose)", () => {
  expect(staleComposeDocuments()).toEqual([]);
});

it("has no key that only one of Compose 1.29 and 2 knows", () => {
  const raw = parse(composeFile(topology), { maxAliasCount: -1 }) as Record<string, unknown>;
  expect(Object.keys(raw).filter((key) => !key.startsWith("x-"))).toEqual(["services", "networks", "volumes"]);
});

describe("every node", () => {
  it.each(nodes)("$name is a service that runs it", (node) => {
    const service = services[composeName(node.name)];
    expect(service?.image).toBe(`watershed/${node.service}:local`);
    expect(service?.command?.slice(-4)).toEqual(["--plan", "containers", "--node", node.name]);
    expect(service?.environment?.["WATERSHED_ADMIN_ADDRESS"]).toBe(node.admin);
    expect(service?.depends_on?.["token"]?.condition).toBe("service_completed_successfully");
  });

  it("has every address of its config in one of its networks", () => {
    for (const node of nodes) {
      const given = Object.values(services[composeName(node.name)]?.networks ?? {}).map((one) => one.ipv4_address);
      const wanted = [
        node.address,
        node.localAddress,
        ...[node.admin, ...node.listens.map((listen) => listen.address)].map(hostOf),
      ];
      expect(given.toSorted()).toEqual([...new Set(wanted)].toSorted());
    }
  });

  it("starts once those whom it asks are healthy", () => {
    const healthyBefore = (name: string) =>
      Object.entries(services[name]?.depends_on ?? {}).flatMap(([key, { condition }]) =>
        condition === "service_healthy" ? [key] : [],
      );
    expect(healthyBefore("eu-west-a-origin")).toEqual([]);
    expect(healthyBefore("eu-west-a-l4-2")).toEqual(["eu-west-a-origin"]);
    expect(healthyBefore("us-east-l7-1")).toEqual([
      "us-east-a-l4-1",
      "us-east-a-l4-2",
      "us-east-b-l4-1",
      "us-east-b-l4-2",
    ]);
    expect(healthyBefore("ns2")).toEqual(["eu-west-l7-1", "eu-west-l7-2", "us-east-l7-1", "us-east-l7-2"]);
    expect(healthyBefore("client-de")).toEqual(["ns1", "ns2"]);
    expect(healthyBefore("prometheus")).toEqual([]);
  });

  it("can do little: no root file system to write, no capability, no restart", () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service).toMatchObject({ read_only: true, cap_drop: ["ALL"], restart: "no" });
      expect(service.privileged).toBeUndefined();
      // The file capability of nft is all that a forwarder has more.
      const isForwarder = service.image.includes("l4-forwarder");
      expect(service.cap_add, name).toEqual(isForwarder ? ["NET_ADMIN"] : undefined);
      expect(service.security_opt, name).toEqual(isForwarder ? undefined : ["no-new-privileges:true"]);
    }
  });
});

describe("networks", () => {
  const all = Object.entries(networks).map(([key, { ipam }]) => ({ key, ...ipam.config[0] }));

  it("do not overlap, and no address is given twice in one", () => {
    for (const one of all)
      for (const other of all)
        if (one !== other) expect(isIn(one.subnet ?? "", other.subnet ?? ""), `${one.key} ${other.key}`).toBe(false);
    const given = Object.values(services).flatMap((service) =>
      Object.entries(service.networks ?? {}).map(([key, { ipv4_address }]) => `${key} ${ipv4_address}`),
    );
    expect(new Set(given).size).toBe(given.length);
    for (const { key, gateway } of all) expect(given).not.toContain(`${key} ${gateway}`);
  });

  it("hold the addresses and the gateway that are theirs", () => {
    for (const { subnet = "", gateway = "" } of all) expect(isIn(gateway, subnet)).toBe(true);
    for (const service of Object.values(services))
      for (const [key, { ipv4_address }] of Object.entries(service.networks ?? {}))
        expect(isIn(ipv4_address, all.find((network) => network.key === key)?.subnet ?? "")).toBe(true);
  });

  it("keep regions apart, and lead outside by control alone", () => {
    const members = (key: string) => Object.keys(services).filter((name) => services[name]?.networks?.[key]);
    for (const region of ["eu-west", "us-east"])
      expect(
        members(`region-${region}`)
          .filter((name) => !name.startsWith("postgres-"))
          .toSorted(),
      ).toEqual(
        nodes
          .filter((node) => node.region === region)
          .map(({ name }) => composeName(name))
          .toSorted(),
      );
    expect(members("internet").toSorted()).toEqual(
      [...Object.keys(services).filter((name) => name.startsWith("client-")), "ns1", "ns2"]
        .concat(["eu-west-l7-1", "eu-west-l7-2", "us-east-l7-1", "us-east-l7-2"])
        .toSorted(),
    );
    expect(Object.keys(networks).filter((key) => !networks[key]?.internal)).toEqual(["control"]);
    // The engine publishes ports through the first by name of those that lead outside.
    expect(
      Object.values(networks)
        .map(({ name }) => name)
        .toSorted()[0],
    ).toBe("watershed-control");
  });
});

describe("clients", () => {
  it("live in Germany and the USA; those of other countries are asked for", () => {
    const clients = Object.entries(services).filter(([name]) => name.startsWith("client-"));
    const atOnce = clients.filter(([, { profiles }]) => !profiles).map(([name]) => name);
    expect(atOnce.toSorted()).toEqual(["client-de", "client-us"]);
    expect(services["client-de"]?.networks?.["internet"]).toEqual({ ipv4_address: "10.49.0.7" });
    expect(services["client-us"]?.networks?.["internet"]).toEqual({ ipv4_address: "10.1.0.7" });
    expect(services["client-jp"]?.profiles).toEqual(["countries"]);
    expect(clients.length).toBeGreaterThanOrEqual(10);
  });

  it("ask the name servers of the stack, the next one after a second", () => {
    expect(resolvConf(topology).split("\n").slice(1)).toEqual([
      "nameserver 10.53.0.1",
      "nameserver 10.53.0.2",
      "options timeout:1 attempts:2",
      "",
    ]);
    expect(services["client-de"]?.volumes).toContain("./infra/docker/resolv.conf:/etc/resolv.conf:ro");
  });
});

it("has those profiles that `down` ends, and no other", () => {
  const used = Object.values(services).flatMap((service) => service.profiles ?? []);
  expect([...new Set(used)].toSorted()).toEqual(profiles.toSorted());
});

describe("the profile chaos", () => {
  it("sends requests from inside of both clients", () => {
    const names = Object.keys(services).filter((name) => services[name]?.profiles?.includes("chaos"));
    expect(names).toEqual(["load-de", "load-us"]);
    for (const [name, client, country] of [
      ["load-de", "client-de", "DE"],
      ["load-us", "client-us", "US"],
    ] as const) {
      expect(services[name]).toMatchObject({ network_mode: `service:${client}`, depends_on: [client] });
      expect(services[name]?.networks).toBeUndefined();
      expect(services[name]?.command?.slice(2)).toEqual(["load", "--from", country, "/api/users"]);
    }
  });
});

describe("a geo database of one's own", () => {
  const serversOf = (database: string) => {
    const document = parse(composeFile(withText(`geo: { database: ${database} }`)), { merge: true, maxAliasCount: -1 });
    return (document as ComposeDocument).services;
  };

  it.each([
    ["data/my.mmdb", "./data"],
    ["my.mmdb", "./."],
    ["/var/lib/GeoIP/GeoLite2-City.mmdb", "/var/lib/GeoIP"],
  ])("%s: its folder is mounted in the name servers alone", (database, source) => {
    const own = serversOf(database);
    const mounted = Object.keys(own).filter((name) => JSON.stringify(own[name]?.volumes).includes('"/geo"'));
    expect(mounted).toEqual(["ns1", "ns2"]);
    expect(own["ns1"]?.volumes).toEqual([
      "./infra/topology.yaml:/watershed/infra/topology.yaml:ro",
      "token:/run/watershed:ro",
      { type: "bind", source, target: "/geo", read_only: true },
    ]);
  });

  it("is nowhere mounted where the builtin one does", () => {
    expect(serversOf("builtin")["ns1"]?.volumes).toEqual(services["ns1"]?.volumes);
  });
});

describe("the profile postgres", () => {
  const configs = [...postgresForwarderConfigs(topology)].map(([path, text]) =>
    parseConfig(text, path, l4ForwarderSchema),
  );

  it("has a primary, a replica in each zone of the first region, and two forwarders before the replicas", () => {
    const names = Object.keys(services).filter((name) => services[name]?.profiles?.includes("postgres"));
    expect(names).toEqual([
      "postgres-primary",
      "postgres-replica-eu-west-a",
      "postgres-replica-eu-west-b",
      "postgres-l4-1",
      "postgres-l4-2",
    ]);
    const addresses = names.slice(1, 3).map((name) => services[name]?.networks?.["region-eu-west"]?.ipv4_address);
    for (const { pools } of configs)
      expect(pools["postgres"]?.endpoints.map(({ address }) => address)).toEqual(addresses.map((one) => `${one}:5432`));
  });

  it("gives each forwarder the addresses of its config", () => {
    for (const { node = "", admin, localAddress, listeners } of configs) {
      const attached = services[node]?.networks;
      expect(`${attached?.["control"]?.ipv4_address}:7900`).toBe(admin);
      expect(attached?.["region-eu-west"]?.ipv4_address).toBe(localAddress);
      expect(listeners[0]?.address).toBe(`${localAddress}:5432`);
      expect(services[node]?.environment?.["WATERSHED_ADMIN_ADDRESS"]).toBe(admin);
    }
  });
});

describe("ports of the host", () => {
  const published = Object.values(services).flatMap(({ ports = [] }) => ports);

  it("are on 127.0.0.1 alone, and each is given once", () => {
    expect(published.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual([]);
    const hostSides = published.map((port) => `${port.split(":")[1]}/${port.split("/")[1]}`);
    expect(new Set(hostSides).size).toBe(hostSides.length);
  });

  it("lead to DNS, to the routers and to the admin API of every node", () => {
    expect(services["ns1"]?.ports).toEqual([
      "127.0.0.1:5300:53/udp",
      "127.0.0.1:5300:53/tcp",
      "127.0.0.1:7901:7900/tcp",
    ]);
    expect(services["eu-west-l7-1"]?.ports).toEqual(["127.0.0.1:8011:80/tcp", "127.0.0.1:7903:7900/tcp"]);
    expect(services["us-east-l7-2"]?.ports?.[0]).toBe("127.0.0.1:8112:80/tcp");
    expect(published.filter((port) => port.endsWith(":7900/tcp"))).toHaveLength(nodes.length);
  });

  it("are refused where there are more nodes than ports", () => {
    const wide = edited("routers: 2, zones: 2, forwarders: 2", "routers: 32, zones: 8, forwarders: 8");
    expect(() => composeFile(wide)).toThrow(new UsageError("114 nodes: the host has admin ports for 99 (7901 up)"));
  });
});

it("a further region, another octet and another DNS zone are followed", () => {
  const three = edited("  us-east: {", "  ap: { number: 13, location: [1, 103] }\n  us-east: {");
  const more = parse(composeFile(three), { merge: true, maxAliasCount: -1 }) as ComposeDocument;
  expect(more.networks["region-ap"]?.ipam.config[0]).toEqual({ subnet: "10.141.0.0/16", gateway: "10.141.255.254" });
  expect(more.services["ap-l7-2"]?.ports?.[0]).toBe("127.0.0.1:8113:80/tcp");
  const moved = withText("containers: { firstOctet: 30 }");
  expect(composeFile(moved)).not.toMatch(/[^.\d]10\.\d/);
  expect(resolvConf(moved)).toContain("nameserver 30.53.0.1");
});

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(":"));
}
