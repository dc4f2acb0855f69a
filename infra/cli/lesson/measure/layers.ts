import http from "node:http";
import { barChart } from "../chart.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { quantile } from "../statistics.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const warmUp = 200; // requests that let the just-in-time compilers do their work
const requests = 400;

/** One server, asked directly, through a forwarder, and through a router: one request after the other. */
export const layers: Measurement = {
  summary: "what a forwarder and a router cost: the same server asked directly, through L4 and through L7",
  cases: [],
  async run() {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const server = `${host}:9001`;
    const ways = { directly: server, "through L4": `${host}:7001`, "through L7": `${host}:8080` };
    const pools = { web: { endpoints: [{ address: server }] } };
    await using _fleet = await startFleet(addresses, [
      {
        name: "origin",
        service: "origin",
        config: { servers: [{ name: "web-1", service: "web", address: server }] },
      },
      {
        name: "forwarder",
        service: "l4-forwarder",
        config: { listeners: [{ address: ways["through L4"], protocol: "tcp", pool: "web" }], pools },
      },
      {
        name: "router",
        service: "l7-router",
        config: { listeners: [{ address: ways["through L7"] }], routes: [{ match: {}, pool: "web" }], pools },
      },
    ]);
    const names = Object.entries(ways);
    const tookUs = { kept: new Map<string, number[]>(), fresh: new Map<string, number[]>() };
    const agents = new Map(names.map(([name]) => [name, new http.Agent({ keepAlive: true, maxSockets: 1 })]));
    // In turns, so that whatever else this machine does meanwhile meets all of them.
    for (let i = 0; i < warmUp + requests; i++)
      for (const [name, to] of names) {
        const [kept, fresh] = [await ask(to, agents.get(name)), await ask(to, undefined)];
        if (i < warmUp) continue;
        push(tookUs.kept, name, kept);
        push(tookUs.fresh, name, fresh);
      }
    for (const agent of agents.values()) agent.destroy();
    const p50 = (of: ReadonlyMap<string, number[]>, name: string) => quantile(of.get(name) ?? [], 0.5);
    return {
      notes: [`${requests} requests each, one after the other, in turns`],
      columns: [{ title: "way" }, number("kept connection: p50 µs"), number("new connection: p50 µs")],
      rows: names.map(([name]) => [name, p50(tookUs.kept, name).toFixed(0), p50(tookUs.fresh, name).toFixed(0)]),
      picture: barChart(
        "Half of the requests are quicker than this (kept connection)",
        "µs",
        names.map(([name]) => ({ name, value: p50(tookUs.kept, name) })),
      ),
    };
  },
};

function push(lists: Map<string, number[]>, name: string, value: number): void {
  const list = lists.get(name) ?? [];
  lists.set(name, list);
  list.push(value);
}

/** @param agent undefined: on a connection of its own
 * @returns how long it took, microseconds */
function ask(to: string, agent: http.Agent | undefined): Promise<number> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    http
      .get(`http://${to}/`, { agent: agent ?? false }, (response) => {
        response.resume().on("end", () => resolve((performance.now() - startedMs) * 1_000));
      })
      .on("error", reject);
  });
}
