import { seededRandom } from "#shared/core/random.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { lineChart } from "../chart.ts";
import { mean, quantile } from "../statistics.ts";
import { arrivals, play } from "../traffic.ts";
import type { Ended, Planned } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const servers = 5;
const workMeanMs = 40;
const load = 0.75; // of what five servers can do
const durationMs = 6_000;

/** The same requests twice, to five servers of their own each: clients pick one by chance, or a router picks for them. */
export const queues: Measurement = {
  summary: "five servers picked at random by clients, against a balancer: queues and waiting times",
  cases: [],
  async run({ seed }) {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const set = (way: string, port: number) =>
      Array.from({ length: servers }, (_, i) => ({
        name: `${way}-${i + 1}`,
        service: "jobs",
        address: `${host}:${port + i}`,
      }));
    const alone = set("picked", 9_001);
    const behind = set("balanced", 9_101);
    const router = `${host}:8080`;
    await using _fleet = await startFleet(addresses, [
      { name: "origin", service: "origin", config: { servers: [...alone, ...behind] } },
      {
        name: "router",
        service: "l7-router",
        config: {
          listeners: [{ address: router }],
          routes: [{ match: {}, pool: "jobs" }],
          pools: { jobs: { balance: "least-connections", endpoints: behind.map(({ address }) => ({ address })) } },
        },
      },
    ]);
    const random = seededRandom(seed);
    const perSecond = (servers / workMeanMs) * 1_000 * load;
    const jobs = arrivals(random, perSecond, durationMs).map((atMs) => {
      const workMs = Math.min(400, Math.round(-Math.log(1 - random()) * workMeanMs));
      const picked = alone[Math.floor(random() * servers)]?.address ?? "";
      return { atMs, picked, client: Math.floor(random() * 50), path: `/?work=${workMs}ms` };
    });
    const planOf = (to: (picked: string) => string): Planned[] =>
      jobs.map(({ picked, ...job }) => ({ ...job, to: to(picked) }));
    const [byChance, balanced] = await Promise.all([
      play(
        planOf((picked) => picked),
        addresses.client,
      ),
      play(
        planOf(() => router),
        addresses.client,
      ),
    ]);
    const row = (name: string, ended: readonly Ended[]) => {
      const waits = ended.map(({ waitedMs }) => waitedMs);
      const nobodyAhead = ended.filter(({ ahead }) => ahead === 0).length;
      return [
        name,
        String(ended.length),
        String(ended.filter(({ status }) => status !== 200).length),
        mean(waits).toFixed(0),
        quantile(waits, 0.99).toFixed(0),
        String(Math.max(...ended.map(({ ahead }) => ahead))),
        `${Math.round((100 * nobodyAhead) / ended.length)} %`,
      ];
    };
    return {
      notes: [
        `seed ${seed}: ${jobs.length} jobs in ${durationMs / 1_000} s, ${workMeanMs} ms each on the average, ${servers} servers that do one at a time, ${100 * load} % busy`,
      ],
      columns: [
        { title: "who picks" },
        number("jobs"),
        number("failed"),
        number("mean wait ms"),
        number("p99 wait ms"),
        number("longest queue"),
        number("no wait"),
      ],
      rows: [row("clients by chance", byChance), row("balancer", balanced)],
      picture: lineChart({
        title: "Jobs that were before one's own, as they came",
        xTitle: "seconds",
        yTitle: "jobs ahead",
        series: [seriesOf("picked by clients", byChance), seriesOf("picked by a balancer", balanced)],
      }),
    };
  },
};

const seriesOf = (name: string, ended: readonly Ended[]) => ({
  name,
  points: ended.map(({ atMs, ahead }) => [atMs / 1_000, ahead] as const),
});
