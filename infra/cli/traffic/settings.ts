import { z } from "zod";
import { UsageError } from "#shared/core/error.ts";
import type { MixEntry } from "#shared/traffic/plan.ts";
import { defaultMix, mixEntriesMax, parseMixEntry, parseSource, rateMax } from "#shared/traffic/plan.ts";
import { clientsMax, sourceOf } from "#shared/traffic/sources.ts";
import type { TrafficStack } from "#shared/traffic/sources.ts";
import type { Source } from "#shared/traffic/traffic.ts";

/** A choice over the globe, as far as the topology has these clients. */
const defaultCountries = ["DE", "GB", "FR", "US", "BR", "JP", "IN", "AU"];
const defaultRate = 20;

/** What traffic is wanted, as one process tells another. */
export const settingsSchema = z.strictObject({
  stack: z.strictObject({
    topology: z.string().optional(),
    scale: z.string().optional(),
    docker: z.boolean().optional(),
  }),
  sources: z.array(z.strictObject({ from: z.string(), ratePerSecond: z.number().min(0).max(rateMax) })),
  mix: z.array(z.strictObject({ method: z.string(), path: z.string(), weight: z.number() })),
  seed: z.int(),
  clients: z.int().min(1).max(clientsMax),
  keepConnections: z.boolean(),
  forMs: z.number().optional(),
});
export type Settings = z.output<typeof settingsSchema>;

/** Countries with their rates. Those that have none of their own share `rate`.
 * @param from "DE=20", "US"; none: a choice over the globe
 * @throws {UsageError} */
export function chooseSources(
  from: readonly string[],
  rate: number | undefined,
  known: readonly string[],
): Settings["sources"] {
  const wanted = from.length > 0 ? from : defaultCountries.filter((country) => known.includes(country));
  const parsed = (wanted.length > 0 ? wanted : known.slice(0, 1)).map(parseSource);
  const names = parsed.map(({ from: name }) => name.toUpperCase());
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`--from ${twice} is there twice`);
  const open = parsed.filter(({ ratePerSecond }) => ratePerSecond === undefined).length;
  if (open === 0 && rate !== undefined)
    throw new UsageError("every country has a rate of its own: leave out --rate, or the rate of a country");
  const share = (rate ?? defaultRate) / open;
  const sources = parsed.map((one) => ({ from: one.from, ratePerSecond: one.ratePerSecond ?? share }));
  const sum = sources.reduce((all, { ratePerSecond }) => all + ratePerSecond, 0);
  if (sum > rateMax) throw new UsageError(`${sum} requests a second are too many: ${rateMax} at most`);
  return sources;
}

/** @throws {UsageError} */
export function chooseMix(requests: readonly string[]): MixEntry[] {
  if (requests.length > mixEntriesMax) throw new UsageError(`--request: ${mixEntriesMax} at most`);
  return requests.length > 0 ? requests.map(parseMixEntry) : [...defaultMix];
}

/** @throws {UsageError} for an unknown country */
export function sourcesOf(
  stack: TrafficStack,
  settings: Pick<Settings, "sources" | "clients" | "keepConnections">,
): Source[] {
  return settings.sources.map(({ from, ratePerSecond }) => sourceOf(stack, from, ratePerSecond, settings));
}
