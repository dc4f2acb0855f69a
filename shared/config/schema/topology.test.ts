import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { messageOf } from "#shared/core/error.ts";
import { parseConfig } from "../load.ts";
import { topologySchema } from "./topology.ts";

const file = readFileSync(new URL("../../../infra/topology.yaml", import.meta.url), "utf8");

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

describe("clashes are refused at their place", () => {
  const cases: { name: string; edits: [string, string][]; says: string }[] = [
    {
      name: "two regions of one number",
      edits: [["number: 12", "number: 11"]],
      says: "regions.us-east.number: 11 is the number of eu-west already",
    },
    {
      name: "a region where a country's test clients live",
      edits: [["number: 12", "number: 49"]],
      says: "regions.us-east.number: 49 is the calling code of the test clients of DE",
    },
    {
      name: "a region where the name servers stand",
      edits: [["number: 12", "number: 53"]],
      says: "regions.us-east.number: 53 is the number of the name servers",
    },
    {
      name: "a number that is no octet",
      edits: [["number: 12", "number: 300"]],
      says: "regions.us-east.number: expected a whole number 2..254, got 300",
    },
    {
      name: "a zone listed twice",
      edits: [["zones: 2", "zones: [a, b, a]"]],
      says: "regions.eu-west.zones[2]: zone a is listed twice",
    },
    {
      name: "a zone that is no letter",
      edits: [["zones: 2", "zones: [a, bb]"]],
      says: 'regions.eu-west.zones[1]: expected a zone as one letter a..z, got "bb"',
    },
    {
      name: "more servers than addresses before the next service",
      edits: [["servers: 4", "servers: 91"]],
      says: "services.web.servers: a zone has room for 90 web servers (.10 to .99, before api)",
    },
    {
      name: "the same at a scale",
      edits: [["netflix: { web: 50, api: 20", "netflix: { web: 50, api: 51"]],
      says: "scales.netflix.api: a zone has room for 50 api servers (.100 to .149, before static)",
    },
    {
      name: "more servers than the octet has addresses",
      edits: [["firstHost: 200, servers: 2", "firstHost: 250, servers: 6"]],
      says: "services.db.servers: a zone has room for 5 db servers (.250 to .254)",
    },
    {
      name: "two services of one first host",
      edits: [["firstHost: 170", "firstHost: 150"]],
      says: "services.admin.firstHost: 150 is the first host of static already",
    },
    {
      name: "two services of one port",
      edits: [["port: 7003", "port: 7001"]],
      says: "services.static.port: 7001 is the port of web already",
    },
    {
      name: "the port of the admin listeners",
      edits: [["port: 7003", "port: 7900"]],
      says: "services.static.port: 7900 is the port of the admin listeners already",
    },
    {
      name: "PROXY where nobody would understand it",
      edits: [["balance: least-connections }", "proxyProtocol: v2 }"]],
      says: "services.db.proxyProtocol: only HTTP services speak the PROXY protocol",
    },
    {
      name: "a route to what is not HTTP",
      edits: [["service: admin }", "service: db }"]],
      says: "routes[3].service: db is not an HTTP service: no route leads to it",
    },
    {
      name: "a route to a service without port",
      edits: [["port: 7004, ", ""]],
      says: "routes[3].service: admin has no port: no forwarder carries it",
    },
    {
      name: "a route to a service that is left out",
      edits: [["  admin: {", "  # admin: {"]],
      says: 'routes[3].service: there is no service "admin" in services',
    },
    {
      name: "a scale of a service that is left out",
      edits: [["  db: {", "  # db: {"]],
      says: 'scales.netflix.db: there is no service "db" in services',
    },
    {
      name: "two countries of one calling code",
      edits: [["DE: 49", "DE: 48"]],
      says: "testClients.DE: 48 is the calling code of PL already",
    },
    {
      name: "steering to no region",
      edits: [["EU: [eu-west, us-east]", "EU: [eu-west, us-west]"]],
      says: 'steering.continents.EU[1]: there is no region "us-west" (known: eu-west, us-east)',
    },
    {
      name: "no region at all",
      edits: [["regions:\n", "regions: {}\nignored:\n"]],
      says: "regions: expected a mapping of at least one region, got an empty mapping",
    },
  ];
  it.each(cases)("$name", ({ edits, says }) => {
    let message = "";
    try {
      parsed(...edits);
    } catch (error) {
      message = messageOf(error);
    }
    expect(message.replaceAll(/^topology\.yaml:\d+:\d+ /gm, "").split("\n")[0]).toBe(says);
  });
});
