import { fleetAddresses, startFleet } from "../fleet.ts";
import { countBy } from "../statistics.ts";
import { play } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const weights = [5, 3, 2];
const requests = 100;
const everyMs = 5; // one after the other

/** Weighted round robin is exact: over each ten requests everybody gets its part. */
export const shares: Measurement = {
  summary: "100 requests to servers of weight 5, 3 and 2, by weighted and by round-robin",
  cases: [],
  async run() {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const router = `${host}:8080`;
    const servers = weights.map((weight, i) => ({ name: `web-${i + 1}`, address: `${host}:${9_001 + i}`, weight }));
    const endpoints = servers.map(({ address, weight }) => ({ address, weight }));
    await using _fleet = await startFleet(addresses, [
      {
        name: "origin",
        service: "origin",
        config: { servers: servers.map(({ name, address }) => ({ name, address, service: "web" })) },
      },
      {
        name: "router",
        service: "l7-router",
        config: {
          listeners: [{ address: router }],
          routes: [
            { match: { path: "/weighted" }, pool: "weighted" },
            { match: {}, pool: "even" },
          ],
          pools: { weighted: { balance: "weighted", endpoints }, even: { balance: "round-robin", endpoints } },
        },
      },
    ]);
    const sent = async (path: string) => {
      const plan = Array.from({ length: requests }, (_, i) => ({ atMs: i * everyMs, client: 0, to: router, path }));
      return countBy(await play(plan, addresses.client), ({ server }) => server);
    };
    const [weighted, even] = [await sent("/weighted"), await sent("/even")];
    return {
      notes: [`${requests} requests each`],
      columns: [{ title: "server" }, number("weight"), number("weighted"), number("round-robin")],
      rows: servers.map(({ name, weight }) => [
        name,
        String(weight),
        String(weighted.get(name) ?? 0),
        String(even.get(name) ?? 0),
      ]),
    };
  },
};
