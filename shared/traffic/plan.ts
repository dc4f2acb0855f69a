import { UsageError } from "#shared/core/error.ts";
import type { Random } from "#shared/core/random.ts";

/** One kind of request of a mix. */
export interface MixEntry {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Its share is this among the weights of all. */
  readonly weight: number;
}

/** Reads, a page, files, some writes: what the services of infra/topology.yaml answer. */
export const defaultMix: readonly MixEntry[] = [
  { method: "GET", path: "/api/users", weight: 5 },
  { method: "GET", path: "/api/catalog", weight: 3 },
  { method: "GET", path: "/", weight: 3 },
  { method: "GET", path: "/static/app.css", weight: 3 },
  { method: "GET", path: "/images/poster.jpg", weight: 2 },
  { method: "HEAD", path: "/", weight: 1 },
  { method: "POST", path: "/api/orders", weight: 1 },
];

export const mixEntriesMax = 64; // one line each in a status
const weightMax = 1_000;
export const rateMax = 2_000; // requests a second: what one process sends beside a stack, not a benchmark

/** "GET /api/users 5", "/api/users", "POST /api/orders" → a kind of request. The method is GET and the weight 1 unless said.
 * @throws {UsageError} */
export function parseMixEntry(text: string): MixEntry {
  const words = text.trim().split(/\s+/);
  const method = /^[A-Z]+$/.test(words[0] ?? "") ? (words.shift() ?? "") : "GET";
  const [path = "", weight = "1", ...more] = words;
  const number = Number(weight);
  const isPath = /^\/[\u0021-\u007e]*$/.test(path) && !path.includes("#");
  const isWeight = Number.isInteger(number) && number >= 1 && number <= weightMax;
  if (isPath && isWeight && more.length === 0) return { method, path, weight: number };
  throw new UsageError(
    `request "${text}": expected [METHOD] /path [weight 1..${weightMax}], such as "GET /api/users 5"`,
  );
}

/** Draws kinds of requests by their weights: the same ones in the same order from the same random numbers. */
export function drawMix(mix: readonly MixEntry[], random: Random): () => MixEntry {
  const all = mix.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    let left = random() * all;
    for (const entry of mix) {
      left -= entry.weight;
      if (left < 0) return entry;
    }
    return mix[mix.length - 1] ?? { method: "GET", path: "/", weight: 1 };
  };
}

/** The time from one request to the next, where clients know nothing of each other (Poisson arrivals), milliseconds. */
export function drawGapMs(ratePerSecond: number, random: Random): number {
  return (-Math.log(1 - random()) / ratePerSecond) * 1_000;
}

/** A seed of its own for each of several generators, so that none changes with what the others do. */
export function seedOf(seed: number, name: string): number {
  let hash = 2_166_136_261 ^ seed; // FNV-1a
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16_777_619);
  return hash >>> 0;
}

/** Rates by country with the sum wanted, in the ratio that they had; equal where they were all 0. */
export function scaleRates(rates: Readonly<Record<string, number>>, total: number): Record<string, number> {
  const before = Object.values(rates).reduce((sum, rate) => sum + rate, 0);
  const names = Object.keys(rates);
  return Object.fromEntries(
    names.map((name) => [name, before > 0 ? ((rates[name] ?? 0) / before) * total : total / names.length]),
  );
}

/** "DE=20", "US": countries with requests a second; those without a number have none yet.
 * @throws {UsageError} */
export function parseSource(text: string): { readonly from: string; readonly ratePerSecond: number | undefined } {
  const [from = "", rate, ...more] = text.split("=");
  if (from === "" || more.length > 0) throw new UsageError(`"${text}": expected a country and its rate, such as DE=20`);
  return { from, ratePerSecond: rate === undefined ? undefined : parseRate(rate) };
}

/** @throws {UsageError} */
export function parseRate(text: string): number {
  const rate = text === "" ? Number.NaN : Number(text);
  if (rate >= 0 && rate <= rateMax) return rate;
  throw new UsageError(`"${text}": expected requests a second, 0..${rateMax}`);
}
