import fs from "node:fs";
import { balanceNames } from "#shared/config/schema/common.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { seededRandom } from "#shared/core/random.ts";
import type { Random } from "#shared/core/random.ts";
import { arrivals } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";
import { sideBySide } from "./side-by-side.ts";
import type { Job, Result, SetServer } from "./side-by-side.ts";

const durationMs = 4_000;

/** What a choice has to reach, all of it measured in the same run. */
interface Wants {
  /** At most so many times the best p99 of those that keep the other two. */
  readonly p99Times: number;
  readonly imbalanceMax?: number;
  readonly affinityMin?: number;
}

interface Scenario {
  readonly told: string;
  readonly servers: readonly SetServer[];
  readonly perSecond: number;
  readonly clients: number;
  readonly workMs: (random: Random) => number;
  readonly wants: Wants;
}

const between = (random: Random, low: number, high: number) => Math.round(low * (high / low) ** random());

export const scenarios: Readonly<Record<string, Scenario>> = {
  A: {
    told: "identical servers, requests of 20 ms each",
    servers: [{}, {}, {}, {}],
    perSecond: 60,
    clients: 40,
    workMs: () => 20,
    wants: { p99Times: 1.5, imbalanceMax: 1.1 },
  },
  B: {
    told: "video encoding, jobs from 5 s to 5 min, a thousand times faster",
    servers: [{}, {}, {}, {}],
    perSecond: 40,
    clients: 40,
    workMs: (random) => between(random, 5, 300),
    wants: { p99Times: 1.4 },
  },
  C: {
    told: "a shopping cart in the memory of the server",
    servers: [{ slots: 8 }, { slots: 8 }, { slots: 8 }, { slots: 8 }],
    perSecond: 60,
    clients: 60,
    workMs: () => 10,
    wants: { p99Times: 3, affinityMin: 0.99 },
  },
  D: {
    told: "one strong server and two weak ones, 5:2:2",
    servers: [
      { speed: 2.5, weight: 5 },
      { speed: 1, weight: 2 },
      { speed: 1, weight: 2 },
    ],
    perSecond: 70,
    clients: 40,
    workMs: () => 40,
    wants: { p99Times: 1.6, imbalanceMax: 1.25 },
  },
  E: {
    told: "independent API requests, some short, some long, none of which remembers another",
    servers: [{ slots: 4 }, { slots: 4 }, { slots: 4 }, { slots: 4 }],
    perSecond: 80,
    clients: 10,
    workMs: (random) => (random() < 0.9 ? 10 : 100),
    wants: { p99Times: 1.5, imbalanceMax: 1.4 },
  },
};

export const pick: Measurement = {
  summary: "a scenario of lesson 4 under every algorithm; with --choices each is judged, and yours with it",
  cases: Object.keys(scenarios),
  async run({ seed, case: name = "A", choices }) {
    const chosen = choices === undefined ? undefined : readChoices(choices);
    const names = chosen ? Object.keys(scenarios) : [name];
    const rows: string[][] = [];
    let good = true;
    for (const letter of names) {
      const scenario = scenarios[letter];
      if (!scenario) continue;
      const results = await sideBySide(scenario.servers, jobsOf(scenario, seed));
      const judged = results.map((result) => ({ result, misses: missesOf(result, results, scenario.wants) }));
      if (!chosen) rows.push(...judged.map(({ result, misses }) => rowOf(letter, result, misses)));
      else {
        const own = judged.find(({ result }) => result.algorithm === chosen.get(letter));
        good &&= own !== undefined && own.misses.length === 0;
        rows.push(own ? rowOf(letter, own.result, own.misses) : [letter, "none chosen", "", "", "", "no"]);
      }
    }
    return {
      notes: names.map((letter) => `${letter}: ${scenarios[letter]?.told}; ${wantedText(scenarios[letter]?.wants)}`),
      columns: [
        { title: "scenario" },
        { title: "algorithm" },
        number("p99 ms"),
        number("imbalance"),
        number("same server"),
        { title: "fits" },
      ],
      rows,
      good,
    };
  },
};

function jobsOf({ perSecond, clients, workMs }: Scenario, seed: number): Job[] {
  const random = seededRandom(seed);
  return arrivals(random, perSecond, durationMs).map((atMs) => ({
    atMs,
    client: Math.floor(random() * clients),
    workMs: workMs(random),
  }));
}

const slackMs = 5; // of the clock and of a busy laptop

/** What a result does not reach, of what is wanted. */
function missesOf(result: Result, all: readonly Result[], wants: Wants): string[] {
  const keeps = ({ imbalance, affinity, failed }: Result) =>
    failed === 0 && imbalance <= (wants.imbalanceMax ?? Infinity) && affinity >= (wants.affinityMin ?? 0);
  const best = Math.min(...all.filter(keeps).map(({ p99Ms }) => p99Ms));
  return [
    ...(result.failed > 0 ? ["failures"] : []),
    ...(result.imbalance > (wants.imbalanceMax ?? Infinity) ? ["imbalance"] : []),
    ...(result.affinity < (wants.affinityMin ?? 0) ? ["affinity"] : []),
    ...(result.p99Ms > wants.p99Times * best + slackMs ? ["p99"] : []),
  ];
}

function rowOf(letter: string, { algorithm, p99Ms, imbalance, affinity }: Result, misses: readonly string[]): string[] {
  const fits = misses.length === 0 ? "yes" : `no (${misses.join(", ")})`;
  return [letter, algorithm, p99Ms.toFixed(0), imbalance.toFixed(2), `${Math.round(100 * affinity)} %`, fits];
}

function wantedText(wants: Wants | undefined): string {
  if (!wants) return "";
  return [
    `wanted: p99 at most ${wants.p99Times} times the best`,
    ...(wants.imbalanceMax === undefined ? [] : [`imbalance up to ${wants.imbalanceMax}`]),
    ...(wants.affinityMin === undefined ? [] : [`same server ${100 * wants.affinityMin} %`]),
  ].join(", ");
}

/** Lines such as "A=round-robin".
 * @throws {UsageError} if the file cannot be read, or names what there is not */
function readChoices(file: string): ReadonlyMap<string, string> {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`write your choices into a file, one a line as A=round-robin: ${messageOf(error)}`);
  }
  const chosen = new Map<string, string>();
  for (const line of text.split(/\s+/).filter((word) => word !== "")) {
    const [, letter = "", algorithm = ""] = /^([A-E])=(.+)$/.exec(line) ?? [];
    if (!balanceNames.some((known) => known === algorithm))
      throw new UsageError(`${file}: "${line}": expected A to E, and one of ${balanceNames.join(", ")}`);
    chosen.set(letter, algorithm);
  }
  return chosen;
}
