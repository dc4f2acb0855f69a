import { describe, expect, it } from "vitest";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { defaultTopology } from "../stack/choose.ts";
import { ordersOf } from "./cut.ts";
import { stepsOf } from "./steps.ts";
import type { Step } from "./steps.ts";
import { findTarget, targetsOf } from "./target.ts";
import type { Verb } from "./verbs.ts";
import { isOneOf, viewsOf, watchersOf } from "./views.ts";

const nodes = nodesOf(loadConfig(defaultTopology, topologySchema), "containers");
const local = nodesOf(loadConfig(defaultTopology, topologySchema));
const target = (name: string) => findTarget([name], targetsOf(nodes));
const names = (list: readonly TopologyNode[]) => list.map(({ name }) => name).toSorted();

/** A step in one line. */
function text(step: Step): string {
  switch (step.do) {
    case "post":
      return `${step.node.name} ${step.path}`;
    case "cut":
      return `cut ${step.node.name} from ${step.networks.join("+")}`;
    case "drain":
    case "enable":
      return `${step.do} ${step.view.addresses.join("+")} at ${step.view.watcher.name}`;
    case "heal servers":
      return `heal ${step.names.length} servers of ${step.origin.name}`;
    default:
      return `${step.do} ${step.node.name}`;
  }
}

describe("a drill does", () => {
  const cases: readonly { verb: Verb; name: string; steps: readonly string[] }[] = [
    { verb: "kill", name: "server eu-west-a/web-2", steps: ["eu-west-a/origin /servers/web-2/stop"] },
    { verb: "stop", name: "service eu-west-a/api", steps: ["eu-west-a/origin /services/api/stop"] },
    { verb: "pause", name: "service eu-west-a/api", steps: ["eu-west-a/origin /services/api/hang"] },
    { verb: "slow", name: "server eu-west-a/api-1", steps: ["eu-west-a/origin /servers/api-1/slow?delay=700ms"] },
    {
      verb: "kill",
      name: "zone eu-west-a",
      steps: ["kill eu-west-a/origin", "kill eu-west-a/l4-1", "kill eu-west-a/l4-2"],
    },
    {
      verb: "drain",
      name: "server eu-west-a/api-1",
      steps: ["drain 10.139.1.9:9100 at eu-west-a/l4-1", "drain 10.139.1.9:9100 at eu-west-a/l4-2"],
    },
    {
      verb: "drain",
      name: "zone eu-west-a",
      steps: ["drain 10.139.1.1+10.139.1.2 at eu-west/l7-1", "drain 10.139.1.1+10.139.1.2 at eu-west/l7-2"],
    },
    {
      verb: "drain",
      name: "region eu-west",
      steps: ["drain 10.11.0.1+10.11.0.2 at ns1", "drain 10.11.0.1+10.11.0.2 at ns2"],
    },
    {
      verb: "cut",
      name: "region eu-west",
      steps: ["cut eu-west/l7-1 from internet", "cut eu-west/l7-2 from internet"],
    },
    { verb: "cut", name: "router eu-west/l7-1", steps: ["cut eu-west/l7-1 from internet+region-eu-west"] },
    { verb: "cut", name: "origin us-east-b", steps: ["cut us-east-b/origin from region-us-east"] },
    { verb: "cut", name: "nameserver ns2", steps: ["cut ns2 from internet"] },
    { verb: "heal", name: "nameserver ns2", steps: ["heal ns2"] },
    {
      verb: "heal",
      name: "router eu-west/l7-1",
      steps: ["heal eu-west/l7-1", "enable 10.11.0.1 at ns1", "enable 10.11.0.1 at ns2"],
    },
    {
      verb: "heal",
      name: "server eu-west-a/api-1",
      steps: [
        "heal 1 servers of eu-west-a/origin",
        "enable 10.139.1.9:9100 at eu-west-a/l4-1",
        "enable 10.139.1.9:9100 at eu-west-a/l4-2",
      ],
    },
  ];

  it.each(cases)("$verb $name", ({ verb, name, steps }) => {
    expect(stepsOf(verb, target(name), nodes, 700).map(text)).toEqual(steps);
  });
});

describe("a local process that is cut off", () => {
  const ordersFor = (name: string, ...networks: string[]) => {
    const orders = ordersOf(
      local.find((node) => node.name === name)!,
      networks,
      local,
    );
    return orders.map(({ node, from, except }) => ({ name: node.name, from, except }));
  };
  const everybody = ["0.0.0.0/0", "::/0"];

  it("drops everybody's packets, and everybody drops its own", () => {
    const [own, ...others] = ordersFor("eu-west-a/l4-1", "region-eu-west");
    expect(own).toEqual({ name: "eu-west-a/l4-1", from: everybody, except: [] });
    expect(others).toHaveLength(local.length - 1);
    for (const { from, except } of others) expect({ from, except }).toEqual({ from: ["127.11.1.1"], except: [] });
  });

  it("stays in its region where it is a router that is cut off from the internet alone", () => {
    const [own, ...others] = ordersFor("eu-west/l7-2", "internet");
    expect(own?.from).toEqual(everybody);
    expect(own?.except).toContain("127.11.1.2");
    expect(own?.except).toContain("127.11.2.100");
    expect(own?.except.filter((host) => !host.startsWith("127.11."))).toEqual([]);
    expect(others.map(({ name }) => name)).toContain("ns1");
    expect(others.filter(({ name }) => name.startsWith("eu-west"))).toEqual([]);
    for (const { from } of others) expect(from).toEqual(["127.11.0.2"]);
  });

  it("takes its servers along", () => {
    const { from } = ordersFor("us-east-b/origin", "region-us-east")[1]!;
    expect(from).toContain("127.12.2.9");
    expect(from).toContain("127.12.2.200");
  });
});

describe("who sees it", () => {
  it.each([
    { name: "server eu-west-a/web-2", sees: ["eu-west-a/l4-1", "eu-west-a/l4-2"] },
    // The only one of its service: the forwarders close its port, which the routers see.
    { name: "server eu-west-a/admin-1", sees: ["eu-west-a/l4-1", "eu-west-a/l4-2", "eu-west/l7-1", "eu-west/l7-2"] },
    { name: "origin eu-west-a", sees: ["eu-west-a/l4-1", "eu-west-a/l4-2", "eu-west/l7-1", "eu-west/l7-2"] },
    { name: "forwarder eu-west-a/l4-1", sees: ["eu-west/l7-1", "eu-west/l7-2"] },
    { name: "zone eu-west-a", sees: ["eu-west/l7-1", "eu-west/l7-2"] },
    { name: "router eu-west/l7-1", sees: ["ns1", "ns2"] },
    { name: "region eu-west", sees: ["ns1", "ns2"] },
    { name: "nameserver ns1", sees: [] },
  ])("$name", ({ name, sees }) => {
    expect(names(viewsOf(target(name), nodes, "all").map(({ watcher }) => watcher))).toEqual(sees);
  });

  it("is asked for events in every tier above, and not in other places", () => {
    expect(names(watchersOf(target("server us-east-b/web-1"), nodes))).toEqual(
      ["ns1", "ns2", "us-east-b/l4-1", "us-east-b/l4-2", "us-east/l7-1", "us-east/l7-2"].toSorted(),
    );
    expect(names(watchersOf(target("region us-east"), nodes))).toEqual(["ns1", "ns2"]);
  });

  it.each([
    { endpoint: "10.139.1.1:7001", addresses: ["10.139.1.1"], is: true },
    { endpoint: "10.139.1.9:9100", addresses: ["10.139.1.9:9100"], is: true },
    { endpoint: "10.139.1.9:9101", addresses: ["10.139.1.9:9100"], is: false },
    { endpoint: "10.139.1.10:7001", addresses: ["10.139.1.1"], is: false },
  ])("$endpoint is one of $addresses: $is", ({ endpoint, addresses, is }) => {
    expect(isOneOf(endpoint, addresses)).toBe(is);
  });
});
