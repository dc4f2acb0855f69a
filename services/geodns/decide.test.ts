import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { allUp, region, snapshotOf } from "#test/support/geodns-snapshot.ts";
import { ask as askCompiled } from "#test/support/geodns-answers.ts";
import { decide } from "./decide.ts";
import type { Snapshot } from "./snapshot.ts";
import { classes, types } from "./wire/codes.ts";
import { parseName } from "./wire/name.ts";

const question = {
  name: parseName("www.stream.test", "")!,
  type: types.A,
  class: classes.IN,
  bytes: new Uint8Array(0),
};
const german = "127.49.0.7";

const ask = (snapshot: Snapshot, client = german, peek = false) =>
  decide(question, { client: parseAddress(client)!, subnet: undefined }, snapshot, peek);
const textsOf = (snapshot: Snapshot, peek = false) =>
  ask(snapshot, german, peek).answers.flatMap(({ set }) => set.texts);

const euWest = { "192.0.2.1": "up", "192.0.2.2": "up" } as const;
const usEast = { "198.51.100.1": "up", "198.51.100.2": "up" } as const;

describe("an answer of the nearest two regions", () => {
  const twoOf = (regions = [region("eu-west", euWest), region("us-east", usEast)], answers = 2) =>
    snapshotOf(regions, true, { answerRegions: 2, answers });

  it("holds addresses of both, as many of each", () => {
    expect(textsOf(twoOf()).toSorted()).toEqual(["192.0.2.1", "198.51.100.1"]);
    expect(textsOf(twoOf(undefined, 4)).toSorted()).toEqual([...Object.keys(euWest), ...Object.keys(usEast)]);
    expect(ask(twoOf())).toMatchObject({ reason: "OK" });
  });

  it("begins with each region as often as its capacity says", () => {
    const snapshot = twoOf([region("eu-west", euWest, { capacity: 1 }), region("us-east", usEast, { capacity: 3 })]);
    const firsts = Array.from({ length: 40 }, () => textsOf(snapshot)[0]);
    expect(firsts.filter((address) => address?.startsWith("198.51.100."))).toHaveLength(30);
    expect(new Set(firsts).size).toBe(4); // and with each address of it
  });

  it("is not turned on by a look", () => {
    const snapshot = twoOf();
    const seen = textsOf(snapshot, true);
    expect(textsOf(snapshot, true)).toEqual(seen);
    expect(textsOf(snapshot)).toEqual(seen);
    expect(textsOf(snapshot)).not.toEqual(seen);
  });

  it("takes the next one where one is down, and says so", () => {
    const down = twoOf([region("eu-west", { "192.0.2.1": "down" }), region("us-east", usEast)]);
    expect(textsOf(down).toSorted()).toEqual(Object.keys(usEast));
    expect(ask(down)).toMatchObject({ reason: "REGION_FAILOVER" });
  });
});

describe("the TTL", () => {
  const changing = (name: string, addresses: Record<string, "up" | "down">) =>
    region(name, addresses, { changing: true });
  it.each([
    { name: "is the service's", regions: allUp, ttl: 10 },
    { name: "falls while the region is changing", regions: [changing("eu-west", euWest), allUp[1]!], ttl: 5 },
    {
      name: "falls while a better region comes back",
      regions: [changing("eu-west", { "192.0.2.1": "down" }), allUp[1]!],
      ttl: 5,
    },
    { name: "stays while another region is changing", regions: [allUp[0]!, changing("us-east", usEast)], ttl: 10 },
  ])("$name", ({ regions, ttl }) => {
    expect(ask(snapshotOf(regions)).answers.map(({ set }) => set.ttl)).toEqual([ttl]);
  });

  it("of a record is never raised by the service's least", () => {
    const snapshot = snapshotOf([changing("eu-west", euWest)], true, { ttl: 3, ttlMin: 3 });
    expect(ask(snapshot).answers[0]?.set.ttl).toBe(3);
  });
});

describe("the scope", () => {
  it.each([
    { client: "127.49.0.7", scope: 22 }, // beside 127.49.7.0/24
    { client: "2002:7f31:7::1", scope: 16 + 22 },
    { client: "64:ff9b::7f31:7", scope: 96 + 22 },
  ])("of $client is /$scope: the network that is steered alike", ({ client, scope }) => {
    expect(ask(snapshotOf(), client)).toMatchObject({ scopePrefix: scope });
  });

  it("does not cover a network that a rule names", () => {
    const steering = { networks: { "127.49.0.0/26": ["us-east"] }, continents: { EU: ["eu-west"] } };
    const snapshot = snapshotOf(undefined, undefined, {}, steering);
    expect(ask(snapshot)).toMatchObject({ scopePrefix: 26, rule: "network 127.49.0.0/26" });
    expect(ask(snapshot, "127.49.0.200")).toMatchObject({ scopePrefix: 25, rule: "continent EU" });
  });
});

describe("what is compiled and what is explained agree", () => {
  const steering = {
    networks: { "127.49.0.0/26": ["us-east"] },
    countries: { DE: ["eu-west", "us-east"] },
    default: ["us-east", "eu-west"],
    shift: [{ from: "us-east", to: "eu-west", percent: 50 }],
  };
  const clients = ["127.49.0.7", "127.49.0.200", "127.49.7.1", "127.1.0.7", "2002:7f31:7::1", "2001:db8::1"];
  const regionSets = [
    allUp,
    [region("eu-west", euWest, { changing: true, capacity: 2 }), allUp[1]!],
    [region("eu-west", { "192.0.2.1": "down" }, { changing: true }), allUp[1]!],
    [region("eu-west", { "192.0.2.1": "down" }), region("us-east", { "198.51.100.1": "down" })],
  ];
  const cases = clients.flatMap((client) =>
    regionSets.flatMap((regions, i) => [1, 2].map((answerRegions) => ({ client, i, answerRegions, regions }))),
  );
  it.each(cases)("for $client, health $i, of $answerRegions regions", ({ client, answerRegions, regions }) => {
    const snapshot = snapshotOf(regions, true, { answerRegions, answers: 3 }, steering);
    const told = Array.from({ length: 5 }, () => {
      const decided = ask(snapshot, client, true).answers.flatMap(({ set }) =>
        set.texts.map((text) => ({ text, ttl: set.ttl })),
      );
      const reply = askCompiled({}, { client, snapshot });
      return { decided, sent: reply?.answers.map(({ text, ttl }) => ({ text, ttl })) };
    });
    for (const { decided, sent } of told) expect(sent).toEqual(decided);
    expect(told[0]?.decided).not.toEqual([]);
  });
});
