import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { ZodType } from "zod";
import { messageOf } from "#shared/core/error.ts";
import { parseConfig } from "./load.ts";
import { geodnsSchema } from "./schema/geodns.ts";
import { l7RouterSchema } from "./schema/l7-router.ts";

/** The lines of the error that is thrown. */
function complain(text: string, schema: ZodType = l7RouterSchema): string[] {
  try {
    parseConfig(text, "x.yaml", schema);
  } catch (error) {
    return messageOf(error).split("\n");
  }
  throw new Error("nothing was thrown");
}

/** A router config that is right but for what stands in pool "api". */
const withPool = (lines: string) =>
  `listeners: [{address: "127.0.0.1:8080"}]\nroutes: []\npools:\n  api:\n${lines.replace(/^/gm, "    ")}\n`;

const algorithms =
  "one of round-robin, weighted, least-connections, ip-hash, least-response-time, random, power-of-two";

describe("a wrong value is told with its place, what was expected, what stood there and a hint", () => {
  const cases: { name: string; pool: string; says: string }[] = [
    {
      name: "a number in quotes",
      pool: 'endpoints:\n  - address: "127.0.0.1:1"\n    weight: "10"',
      says: '7:17 pools.api.endpoints[0].weight: expected a whole number 1..1000, got "10" (drop the quotes)',
    },
    {
      name: "a number too large",
      pool: 'endpoints: [{address: "127.0.0.1:1", weight: 1001}]',
      says: "5:50 pools.api.endpoints[0].weight: expected a whole number 1..1000, got 1001",
    },
    {
      name: "a number too small",
      pool: "endpoints: []\npanicThreshold: -1",
      says: "6:21 pools.api.panicThreshold: expected a whole number 0..100, got -1",
    },
    {
      name: "a fraction",
      pool: "endpoints: []\npanicThreshold: 0.5",
      says: "6:21 pools.api.panicThreshold: expected a whole number 0..100, got 0.5",
    },
    {
      name: "a word that is none of the list, near to one",
      pool: "endpoints: []\nbalance: rond-robin",
      says: `6:14 pools.api.balance: expected ${algorithms}, got "rond-robin" (did you mean "round-robin"?)`,
    },
    {
      name: "a word that is none of the list, near to none",
      pool: "endpoints: []\nbalance: alphabetical",
      says: `6:14 pools.api.balance: expected ${algorithms}, got "alphabetical"`,
    },
    {
      name: "a duration without unit",
      pool: "endpoints: []\nconnectionMaxAge: 10",
      says: "6:23 pools.api.connectionMaxAge: expected a duration such as 500ms, 10s, 5m, 1h or 7d, got 10 (add the unit, such as 10s)",
    },
    {
      name: "a duration of an unknown unit",
      pool: "endpoints: []\nconnectionMaxAge: 10sec",
      says: '6:23 pools.api.connectionMaxAge: expected a duration such as 500ms, 10s, 5m, 1h or 7d, got "10sec"',
    },
    {
      name: "a text that begins wrongly",
      pool: "endpoints: []\nhealth: {type: http, path: health}",
      says: '6:32 pools.api.health.path: expected a text that begins with "/", got "health"',
    },
    {
      name: "an empty text",
      pool: 'endpoints: [{address: "127.0.0.1:1", name: ""}]',
      says: '5:48 pools.api.endpoints[0].name: expected a text that is not empty, got ""',
    },
    {
      name: "a number where a text is due",
      pool: 'endpoints: [{address: "127.0.0.1:1", zone: 7}]',
      says: "5:48 pools.api.endpoints[0].zone: expected a text, got 7 (put it in quotes)",
    },
    {
      name: "a switch in the words of YAML 1.1",
      pool: "endpoints: []\nessential: yes",
      says: '6:16 pools.api.essential: expected true or false, got "yes" (did you mean true?)',
    },
    {
      name: "a switch in quotes",
      pool: 'endpoints: []\nessential: "false"',
      says: '6:16 pools.api.essential: expected true or false, got "false" (drop the quotes)',
    },
    {
      name: "one value where a list is due",
      pool: "endpoints: []\nhealth: {type: http, expectStatus: 200}",
      says: "6:40 pools.api.health.expectStatus: expected a list that is not empty, got 200 (write it as a list, in [ ])",
    },
    {
      name: "an empty list",
      pool: "endpoints: []\nhealth: {type: http, expectStatus: []}",
      says: "6:40 pools.api.health.expectStatus: expected a list that is not empty, got an empty list",
    },
    {
      name: "a list where a mapping is due",
      pool: "endpoints: []\nretries: [1]",
      says: "6:14 pools.api.retries: expected a mapping, got a list of 1",
    },
    {
      name: "a mapping where a list is due",
      pool: "endpoints: {a: 1}",
      says: "5:16 pools.api.endpoints: expected a list of 0..10000, got a mapping",
    },
    {
      name: "nothing behind the colon, at the key",
      pool: "endpoints: []\nretries:",
      says: "6:5 pools.api.retries: expected a mapping, got nothing (nothing follows the colon)",
    },
    {
      name: "a missing key, at the mapping",
      pool: "endpoints: []\nhealth: {interval: 1s}",
      says: "6:13 pools.api.health.type: expected one of http, tcp, udp, exec, got nothing (the key is missing)",
    },
    {
      name: "an address without port",
      pool: "endpoints: [{address: 127.0.0.1}]",
      says: '5:27 pools.api.endpoints[0].address: expected an "address:port" such as "127.0.0.1:8080", got "127.0.0.1"',
    },
    {
      name: "a long text, cut",
      pool: `endpoints: []\nconnectionMaxAge: ${"x".repeat(200)}`,
      says: `6:23 pools.api.connectionMaxAge: expected a duration such as 500ms, 10s, 5m, 1h or 7d, got "${"x".repeat(60)}…"`,
    },
    {
      name: "an unknown key, near to a known one",
      pool: "endpoints: []\nbalnce: weighted",
      says: '6:5 pools.api: unknown key "balnce" (did you mean "balance"?)',
    },
    {
      name: "an unknown key, near to none",
      pool: "endpoints: []\noutlier: {colour: red}",
      says: '6:15 pools.api.outlier: unknown key "colour" (known: consecutiveFailures, ejectFor, maxEjectedPercent, errorPercent, slowerThan, window, requestsMin)',
    },
    {
      name: "a name of Object.prototype as key",
      pool: "endpoints: []\nproxyProtocol: {send: v2, constructor: 1}",
      says: '6:31 pools.api.proxyProtocol: unknown key "constructor" (known: send)',
    },
    {
      name: "a check across keys, in its own words",
      pool: 'endpoints: [{address: "127.0.0.1:1"}, {address: "127.0.0.1:1"}]',
      says: "5:53 pools.api.endpoints[1].address: 127.0.0.1:1 is listed twice",
    },
  ];
  it.each(cases)("$name", ({ pool, says }) => {
    expect(complain(withPool(pool))).toEqual([`x.yaml:${says}`]);
  });
});

describe("places that other schemas have", () => {
  const rest = "dnsZones: {}";
  const cases: { name: string; text: string; says: string[] }[] = [
    {
      name: "a key that is no CIDR",
      text: `listen: ["127.0.0.1:53"]\nregions: {}\n${rest}\ngeo: {networks: {10.0.0.1/8: {}}}`,
      says: [
        '4:18 geo.networks: expected a network such as 10.0.0.0/8 with no bits set behind the prefix as key, got "10.0.0.1/8"',
      ],
    },
    {
      name: "a country in small letters, as key",
      text: `listen: ["127.0.0.1:53"]\nregions: {a: {location: [1, 1]}}\n${rest}\nsteering: {countries: {de: [a]}}`,
      says: [
        '4:24 steering.countries: expected a country as two capital letters (ISO 3166) as key, got "de" (did you mean "DE"?)',
      ],
    },
    {
      name: "a key that is none of a list",
      text: `listen: ["127.0.0.1:53"]\nregions: {a: {location: [1, 1]}}\n${rest}\nsteering: {continents: {XX: [a]}}`,
      says: ['4:25 steering.continents: unknown key "XX" (known: AF, AN, AS, EU, NA, OC, SA)'],
    },
    {
      name: "neither of two forms",
      text: `listen: ["127.0.0.1:53"]\nregions: {a: {location: [1, 1]}}\n${rest}\nsteering: {default: neerest}`,
      says: [
        '4:21 steering.default: expected "nearest" or a list that is not empty, got "neerest" (did you mean "nearest"?)',
      ],
    },
    {
      name: "a text that is too long",
      text: `listen: ["127.0.0.1:53"]\nregions: {}\n${rest}\nidentity: {version: ${"x".repeat(256)}}`,
      says: [`4:21 identity.version: expected a text of at most 255 characters, got "${"x".repeat(60)}…"`],
    },
    {
      name: "one of two forms, with a fault inside",
      text: `listen: ["127.0.0.1:53"]\nregions: {a: {location: [1, 1]}}\n${rest}\nsteering: {default: [a, 5]}`,
      says: ["4:25 steering.default[1]: expected a text, got 5 (put it in quotes)"],
    },
    {
      name: "a list of the wrong length",
      text: `listen: ["127.0.0.1:53"]\nregions: {a: {location: [91]}}\n${rest}`,
      says: ["2:25 regions.a.location: expected a list of 2: a number -90..90, a number -180..180, got a list of 1"],
    },
    {
      name: "a refinement of a parsed value",
      text: `listen: ["127.0.0.1:53"]\nregions: {}\n${rest}\nservices: {web: {ttl: 1500ms, regions: {}}}`,
      says: ['4:23 services.web.ttl: expected whole seconds, below 2^31, got "1500ms"'],
    },
    {
      name: "a key with dots is shown in brackets; a region that is not there is told with those that are",
      text: 'listen: ["127.0.0.1:53"]\nregions: {a: {location: [1, 1]}}\nsteering: {countries: {DE: [b]}}\ndnsZones: {x.test: {soa: {primary: a, contact: b}, records: {"@": {geo: c}}}}',
      says: [
        '3:29 steering.countries.DE[0]: there is no region "b" (known: a)',
        '4:73 dnsZones["x.test"].records["@"].geo: there is no service "c" (known: none)',
      ],
    },
    {
      name: "a reference to what is not there, beside keys that are wrong themselves",
      text: `listen: ["127.0.0.1"]\nregions: {a: {location: [1, 1]}}\nsteering: {default: [b]}\n${rest}`,
      says: [
        '1:10 listen[0]: expected an "address:port" such as "127.0.0.1:8080", got "127.0.0.1"',
        '3:22 steering.default[0]: there is no region "b" (known: a)',
      ],
    },
    {
      name: "one mistake that two checks see is told once",
      text: `listen: ["127.0.0.1:53"]\nregions: {}\ndnsZones: {x.test: {soa: {primary: a, contact: b}, records: {a: {A: [1.2.3.256]}}}}`,
      says: ['3:70 dnsZones["x.test"].records.a.A[0]: expected an IPv4 or IPv6 address, got "1.2.3.256"'],
    },
    {
      name: "a fault behind an alias, where the alias leads",
      text: `listen: &l ["127.0.0.1"]\nregions: {}\n${rest}\nservices: {web: {regions: {}, health: {type: http, expectStatus: *l}}}`,
      says: [
        '1:13 listen[0]: expected an "address:port" such as "127.0.0.1:8080", got "127.0.0.1"',
        '1:13 services.web.health.expectStatus[0]: expected a whole number 100..599, got "127.0.0.1"',
        "4:39 services.web.health: needs the port that is checked",
      ],
    },
  ];
  it.each(cases)("$name", ({ text, says }) => {
    expect(complain(text, geodnsSchema)).toEqual(says.map((line) => `x.yaml:${line}`));
  });

  it("the only word allowed is named", () => {
    const schema = z.strictObject({ mode: z.literal("plain") });
    expect(complain("mode: fancy", schema)).toEqual(['x.yaml:1:7 mode: expected "plain", got "fancy"']);
  });
});

it("every fault is told at once, in the order of the file", () => {
  const text = `workers: two\nlisteners: []\nroutes: [{match: {path: x}, pool: y}]\nlimit: {}\n`;
  expect(complain(text)).toEqual([
    "x.yaml:1:1 pools: expected a mapping, got nothing (the key is missing)",
    'x.yaml:1:10 workers: expected a whole number 0..256, got "two"',
    "x.yaml:2:12 listeners: expected a list that is not empty, got an empty list",
    'x.yaml:3:25 routes[0].match.path: expected a text that begins with "/", got "x"',
    'x.yaml:4:1: unknown key "limit" (did you mean "limits"?)',
  ]);
});
