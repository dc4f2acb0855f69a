import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ZodType } from "zod";
import { stringify } from "yaml";
import { parseConfig } from "#shared/config/load.ts";
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
const withText = (text: string) => parseConfig(`${file}\n${text}`, "topology.yaml", topologySchema);
const withNumber = (number: number): Topology =>
  parseConfig(file.replace("number: 12", `number: ${number}`), "topology.yaml", topologySchema);

const schemas: Record<string, ZodType> = {
  geodns: geodnsSchema,
  "l7-router": l7RouterSchema,
  "l4-forwarder": l4ForwarderSchema,
  origin: originSchema,
};

const nodeNamed = (name: string) => nodesOf(topology, "containers").find((node) => node.name === name);

describe("in containers", () => {
  it("the nodes are those of loopback, in the same order", () => {
    const about = (of: ReturnType<typeof nodesOf>) => of.map(({ name, service, zone }) => [name, service, zone]);
    expect(about(nodesOf(topology, "containers"))).toEqual(about(nodesOf(topology)));
  });

  it.each([
    ["ns2", "10.53.0.2", "10.53.0.2", "10.192.53.2:7900"],
    ["eu-west/l7-1", "10.11.0.1", "10.139.0.1", "10.203.0.1:7900"],
    ["us-east-b/l4-2", "10.140.2.2", "10.140.2.2", "10.204.2.2:7900"],
    ["eu-west-a/origin", "10.139.1.9", "10.139.1.9", "10.203.1.9:7900"],
  ])("%s is at %s, connects from %s and has its admin API at %s", (name, address, localAddress, admin) => {
    expect(nodeNamed(name)).toMatchObject({ address, localAddress, admin });
    expect(configOf(topology, name, "containers").config).toMatchObject({ admin, localAddress });
  });

  it("name servers and routers listen on their public address, and on the one by which the host reaches them", () => {
    const listens = (name: string) => nodeNamed(name)?.listens.map(({ address }) => address);
    expect(listens("ns1")).toEqual(["10.53.0.1:53", "10.192.53.1:53"]);
    expect(listens("us-east/l7-2")).toEqual(["10.12.0.2:80", "10.204.0.2:80", "10.12.0.2:443"]);
  });

  it("the servers of a zone are ports of its origin", () => {
    const listens = nodeNamed("eu-west-b/origin")?.listens.map(({ what, address }) => [what, address]);
    expect(Object.fromEntries(listens ?? [])).toMatchObject({
      "web-1": "10.139.2.9:9010",
      "api-1": "10.139.2.9:9100",
      "telemetry-1": "10.139.2.9:9180",
      "db-2": "10.139.2.9:9201",
    });
  });

  it.each(["ns1", "eu-west/l7-2", "eu-west-a/l4-2", "us-east-b/origin"])("derives the config of %s", async (name) => {
    const golden = `./goldens/containers/${name.replace("/", "-")}.yaml`;
    await expect(stringify(configOf(topology, name, "containers").config, { lineWidth: 0 })).toMatchFileSnapshot(
      golden,
    );
  });

  it("every service accepts its config, at every scale, and no address is given twice", () => {
    for (const scaled of [topology, applyScale(topology, "netflix"), withNumber(29), withNumber(2)]) {
      const nodes = nodesOf(scaled, "containers");
      for (const { name, service } of nodes)
        expect(schemas[service]?.safeParse(configOf(scaled, name, "containers").config).error).toBeUndefined();
      const sockets = nodes.flatMap(({ admin, listens }) => [admin, ...listens.map(({ address }) => address)]);
      expect(new Set(sockets).size).toBe(sockets.length);
    }
  });

  it("test clients live behind the same calling codes", () => {
    expect(clientAddressOf(topology, "DE", "containers")).toEqual({ address: "10.49.0.7", country: "DE" });
    expect(clientAddressOf(topology, "10.1.3.4", "containers")).toEqual({ address: "10.1.3.4", country: "US" });
    expect(clientAddressOf(topology, "127.49.0.7", "containers").country).toBeNull();
  });

  it("every address follows the first octet of the file", () => {
    const moved = withText("containers: { firstOctet: 30 }");
    const text = JSON.stringify(nodesOf(moved, "containers").map(({ name }) => configOf(moved, name, "containers")));
    expect(text).toContain("30.11.0.1");
    expect(text).toContain("30.49.0.0/16");
    expect(text).not.toMatch(/"10\.\d/);
    expect(nodesOf(moved)).toEqual(nodesOf(topology));
  });

  it.each([
    [withNumber(35), "regions.us-east.number: 35 does not fit into the networks of containers: choose 2 to 31"],
    [
      withText("nameServerNumber: 200"),
      "nameServerNumber: 200 does not fit into the networks of containers: choose 2 to 127",
    ],
  ])("numbers that do not fit are refused there alone", (refused, says) => {
    expect(() => nodesOf(refused, "containers")).toThrow(new UsageError(says));
    expect(() => configOf(refused, "ns1", "containers")).toThrow(new UsageError(says));
    expect(nodesOf(refused)).toHaveLength(18);
  });

  it("loopback cannot be their first octet", () => {
    expect(() => withText("containers: { firstOctet: 127 }")).toThrow(
      /containers\.firstOctet: expected an octet other than 127/,
    );
  });
});
