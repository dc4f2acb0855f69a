import { describe, expect, it } from "vitest";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { defaultTopology } from "../stack/choose.ts";
import { findTarget, fullName, targetNameOf, targetsOf } from "./target.ts";
import { checkVerb, kinds, verbs } from "./verbs.ts";

const nodes = nodesOf(loadConfig(defaultTopology, topologySchema));
const targets = targetsOf(nodes);

describe("a target", () => {
  it.each([
    { words: ["server", "eu-west-a/web-2"], nodes: [], servers: ["web-2"] },
    { words: ["server eu-west-a/web-2"], nodes: [], servers: ["web-2"] },
    { words: ["server:eu-west-a/web-2"], nodes: [], servers: ["web-2"] },
    { words: ["service", "us-east-b/db"], nodes: [], servers: ["db-1", "db-2"] },
    { words: ["forwarder", "eu-west-a/l4-1"], nodes: ["eu-west-a/l4-1"], servers: [] },
    { words: ["router", "eu-west/l7-1"], nodes: ["eu-west/l7-1"], servers: [] },
    { words: ["nameserver", "ns1"], nodes: ["ns1"], servers: [] },
  ])("is found as $words", ({ words, nodes: names, servers }) => {
    const target = findTarget(words, targets);
    expect(target.nodes.map(({ name }) => name)).toEqual(names);
    expect(target.servers.map(({ name }) => name)).toEqual(servers);
  });

  it.each([
    { name: "origin eu-west-a", services: ["origin"], count: 1, servers: 13 },
    { name: "zone eu-west-a", services: ["l4-forwarder", "origin"], count: 3, servers: 13 },
    { name: "region eu-west", services: ["l4-forwarder", "l7-router", "origin"], count: 8, servers: 26 },
  ])("$name has its processes and their servers", ({ name, services, count, servers }) => {
    const target = findTarget([name], targets);
    expect([...new Set(target.nodes.map(({ service }) => service))].toSorted()).toEqual(services);
    expect({ count: target.nodes.length, servers: target.servers.length }).toEqual({ count, servers });
  });

  it.each([
    { words: ["server", "eu-west-a/wbe-2"], says: "did you mean server eu-west-a/web-2?" },
    { words: ["eu-west-a"], says: "did you mean zone eu-west-a, or origin eu-west-a?" },
    { words: ["routr", "eu-west/l7-1"], says: "did you mean router eu-west/l7-1?" },
    { words: ["everything, really all of it"], says: "a target is one of server, service, forwarder" },
  ])("that is none is refused with what is near: $words", ({ words, says }) => {
    expect(() => findTarget(words, targets)).toThrow(says);
  });

  it("has a name of its own, and every node has one", () => {
    expect(new Set(targets.map(fullName)).size).toBe(targets.length);
    for (const node of nodes) expect(findTarget([targetNameOf(node)], targets).nodes).toContain(node);
  });
});

describe("a verb", () => {
  it.each([
    {
      verb: "slow",
      kind: "router",
      says: "slow does nothing to a router: it takes kill, stop, pause, drain, cut, heal",
    },
    { verb: "cut", kind: "server", says: "it takes kill, stop, pause, drain, slow, heal" },
    { verb: "drain", kind: "nameserver", says: "it takes kill, stop, pause, cut, heal" },
  ] as const)("that does nothing says which ones do: $verb $kind", ({ verb, kind, says }) => {
    expect(() => checkVerb(verb, kind)).toThrow(says);
  });

  it("heal and kill are for everything", () => {
    for (const kind of kinds) for (const verb of ["heal", "kill"] as const) checkVerb(verb, kind);
    expect(verbs).toHaveLength(7);
  });
});
