import { getAdmin } from "../../admin-client.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { play } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const requests = 200;
const everyMs = 15;
const budgets = [0, 20, 100] as const;
const perTryMs = 100;
const delayMs = 400;
const adminMs = 1_000;

/** All servers answer too late. What do retries add to their load? */
export const retries: Measurement = {
  summary: "four servers that answer too late, and up to four tries: how much work retries add, by their budget",
  cases: [],
  async run() {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const router = `${host}:8080`;
    const servers = [1, 2, 3, 4].map((i) => ({ name: `web-${i}`, service: "web", address: `${host}:${9_000 + i}` }));
    const pools = budgets.map((budgetPercent) => [
      `budget-${budgetPercent}`,
      {
        endpoints: servers.map(({ address }) => ({ address })),
        retries: { attempts: 4, budgetPercent, perTryTimeout: `${perTryMs}ms` },
      },
    ]);
    await using fleet = await startFleet(addresses, [
      { name: "origin", service: "origin", config: { servers } },
      {
        name: "router",
        service: "l7-router",
        config: {
          listeners: [{ address: router }],
          routes: budgets.map((percent) => ({ match: { path: `/budget-${percent}` }, pool: `budget-${percent}` })),
          pools: Object.fromEntries(pools),
        },
      },
    ]);
    await fleet.post("origin", `/services/web/slow?delay=${delayMs}ms`);
    const sent = await Promise.all(
      budgets.map((percent) => {
        const plan = Array.from({ length: requests }, (_, i) => {
          return { atMs: i * everyMs, client: i, to: router, path: `/budget-${percent}` };
        });
        return play(plan, addresses.client);
      }),
    );
    const { text } = await getAdmin(fleet.admin("router"), "/metrics", adminMs);
    return {
      notes: [
        `${requests} requests each to servers that need ${delayMs} ms, with ${perTryMs} ms for a try and four tries`,
      ],
      columns: [
        { title: "budget" },
        number("requests"),
        number("answered"),
        number("tries"),
        number("tries a request"),
      ],
      rows: budgets.map((percent, i) => {
        const tries = triesOf(text, `budget-${percent}`);
        const answered = sent[i]?.filter(({ status }) => status === 200).length ?? 0;
        return [`${percent} %`, String(requests), String(answered), String(tries), (tries / requests).toFixed(2)];
      }),
    };
  },
};

/** The sum of the counter of tries of a pool, from the text of `GET /metrics`. */
function triesOf(metrics: string, pool: string): number {
  const lines = metrics.split("\n").filter((line) => line.startsWith("watershed_attempts_total{"));
  const own = lines.filter((line) => line.includes(`pool="${pool}"`));
  return own.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
