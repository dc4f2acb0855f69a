/** One sample of a metric. */
export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text format of Prometheus (version 0.0.4), and keeps the names asked for. Lines that are none are left out. */
export function readMetrics(text: string, names: ReadonlySet<string>): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const line of text.split("\n")) {
    const end = line.search(/[{ ]/);
    if (end < 1 || !names.has(line.slice(0, end))) continue;
    const space = line.lastIndexOf(" ");
    const value = Number(line.slice(space + 1));
    if (Number.isFinite(value) || line.endsWith("+Inf"))
      samples.push({ name: line.slice(0, end), labels: labelsOf(line.slice(end, space)), value });
  }
  return samples;
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g))
    labels[name] = value.replaceAll(/\\(.)/g, (_, char: string) => (char === "n" ? "\n" : char));
  return labels;
}

/** Upper bound of a bucket (seconds; +Infinity for the last) → how many are at or below it. */
export type Buckets = ReadonlyMap<number, number>;

/** The `share` quantile of what came between two readings of a cumulative histogram, by straight lines within buckets.
 * @returns undefined if nothing came */
export function quantileOf(before: Buckets, now: Buckets, share: number): number | undefined {
  const bounds = [...now.keys()].sort((a, b) => a - b);
  const counts = bounds.map((bound) => Math.max(0, (now.get(bound) ?? 0) - (before.get(bound) ?? 0)));
  const total = counts.at(-1) ?? 0;
  if (total === 0) return undefined;
  const wanted = total * share;
  let [lower, below] = [0, 0];
  for (const [i, bound] of bounds.entries()) {
    const count = counts[i] ?? 0;
    if (count >= wanted) {
      if (!Number.isFinite(bound)) return lower;
      return lower + (bound - lower) * ((wanted - below) / Math.max(1, count - below));
    }
    [lower, below] = [bound, count];
  }
  return lower;
}
