import { affinity } from "./affinity.ts";
import { algorithms } from "./algorithms.ts";
import { checks } from "./checks.ts";
import { drain } from "./drain.ts";
import { flood } from "./flood.ts";
import { layers } from "./layers.ts";
import type { Measurement } from "./measure.ts";
import { pick } from "./pick.ts";
import { queues } from "./queues.ts";
import { retries } from "./retries.ts";
import { shares } from "./shares.ts";
import { sticky } from "./sticky.ts";

/** Every measurement of the lessons: one file each. */
export const measurements = {
  queues,
  shares,
  affinity,
  algorithms,
  pick,
  checks,
  layers,
  sticky,
  flood,
  drain,
  retries,
} as const satisfies Record<string, Measurement>;
