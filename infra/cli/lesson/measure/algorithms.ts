import { seededRandom } from "#shared/core/random.ts";
import { barChart } from "../chart.ts";
import { countBy } from "../statistics.ts";
import { arrivals } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";
import { sideBySide } from "./side-by-side.ts";
import type { SetServer } from "./side-by-side.ts";

const durationMs = 5_000;
const perSecond = 60;
const workMs = 40;
const clients = 40;

interface Case {
  readonly servers: readonly SetServer[];
  readonly told: string;
  /** In the title of the picture. */
  readonly short: string;
}

const cases: Readonly<Record<string, Case>> = {
  equal: { servers: [{}, {}, {}, {}], told: "four equal servers", short: "equal servers" },
  mixed: {
    servers: [{ speed: 2, weight: 4 }, { weight: 2 }, { weight: 2 }, { speed: 0.5, weight: 1 }],
    told: "servers of speed 2, 1, 1 and 0.5, with weights 4, 2, 2 and 1",
    short: "servers of different size",
  },
  slow: {
    servers: [{}, {}, {}, { speed: 0.25 }],
    told: "four servers of the same weight, the last of which has become four times slower",
    short: "one server has become slow",
  },
};

export const algorithms: Measurement = {
  summary: "every algorithm, given the same requests, each with servers of its own",
  cases: Object.keys(cases),
  async run({ seed, case: name = "equal" }) {
    const { servers, told, short } = cases[name] ?? { servers: [], told: "", short: "" };
    const random = seededRandom(seed);
    const jobs = arrivals(random, perSecond, durationMs).map((atMs) => ({
      atMs,
      client: Math.floor(random() * clients),
      workMs: Math.min(200, Math.max(1, Math.round(-Math.log(1 - random()) * workMs))),
    }));
    const results = await sideBySide(servers, jobs);
    return {
      notes: [
        `seed ${seed}: ${jobs.length} jobs in ${durationMs / 1_000} s, ${workMs} ms each on the average; ${told}`,
      ],
      columns: [
        { title: "algorithm" },
        number("failed"),
        number("mean ms"),
        number("p99 ms"),
        ...servers.map((_, i) => number(`to ${i + 1}`)),
        number("same server"),
      ],
      rows: results.map(({ algorithm, failed, meanMs, p99Ms, affinity, ended }) => {
        const counts = countBy(ended, ({ server }) => server);
        return [
          algorithm,
          String(failed),
          meanMs.toFixed(0),
          p99Ms.toFixed(0),
          ...servers.map((_, i) => String(counts.get(`${algorithm}-${i + 1}`) ?? 0)),
          `${Math.round(100 * affinity)} %`,
        ];
      }),
      picture: barChart(
        `99 of 100 requests are quicker than this: ${short}`,
        "ms",
        results.map(({ algorithm, p99Ms }) => ({ name: algorithm, value: p99Ms })),
      ),
    };
  },
};
