import { seededRandom } from "#shared/core/random.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { quantile } from "../statistics.ts";
import { arrivals, play } from "../traffic.ts";
import type { Planned } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const durationMs = 3_000;
const floodPerSecond = 500;
const calmPerSecond = 20;
const limit = { requestsPerSecondPerClient: 50, burst: 50 };
/** Two servers with 2 slots and jobs of 20 ms: 200 a second. */
const jobs = { slots: 2 };
const path = "/?work=20ms";

export const flood: Measurement = {
  summary: "one client floods, another does not: what each gets, without and with a limit for each client",
  cases: [],
  async run({ seed }) {
    const rows: string[][] = [];
    for (const limited of [false, true]) {
      const addresses = await fleetAddresses();
      const { host } = addresses;
      const router = `${host}:8080`;
      const servers = [1, 2].map((i) => ({
        name: `jobs-${i}`,
        service: "jobs",
        address: `${host}:${9_000 + i}`,
        jobs,
      }));
      await using _fleet = await startFleet(addresses, [
        { name: "origin", service: "origin", config: { servers } },
        {
          name: "router",
          service: "l7-router",
          config: {
            listeners: [{ address: router }],
            routes: [{ match: {}, pool: "jobs" }],
            pools: {
              jobs: { balance: "least-connections", endpoints: servers.map(({ address }) => ({ address })) },
            },
            ...(limited ? { limits: limit } : {}),
          },
        },
      ]);
      const random = seededRandom(seed);
      const sent = (client: number, perSecond: number): Planned[] =>
        arrivals(random, perSecond, durationMs).map((atMs) => ({ atMs, client, to: router, path }));
      const ended = await play([...sent(0, floodPerSecond), ...sent(1, calmPerSecond)], addresses.client);
      for (const [client, name] of ["flood", "neighbour"].entries()) {
        const own = ended.filter((one) => one.client === client);
        rows.push([
          `${name}, ${limited ? "with" : "without"} limit`,
          String(own.length),
          `${Math.round((100 * own.filter(({ status }) => status === 200).length) / own.length)} %`,
          `${Math.round((100 * own.filter(({ status }) => status === 429).length) / own.length)} %`,
          quantile(
            own.map(({ tookMs }) => tookMs),
            0.99,
          ).toFixed(0),
        ]);
      }
    }
    return {
      notes: [
        `seed ${seed}: ${floodPerSecond} requests a second of one client and ${calmPerSecond} of another, to servers that can do 200; the limit is ${limit.requestsPerSecondPerClient} a second for each client`,
      ],
      columns: [{ title: "client" }, number("requests"), number("answered"), number("refused"), number("p99 ms")],
      rows,
    };
  },
};
