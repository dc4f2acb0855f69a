import type { Topology } from "#shared/config/schema/topology.ts";
import { formatDuration } from "#shared/core/duration.ts";

/** The `health` of a pool: by HTTP a server must say that it is well, by TCP it only has to accept. */
export function healthOf({ health }: Topology, type: "http" | "tcp"): Record<string, unknown> {
  const { intervalMs, timeoutMs, fall, rise } = health;
  return {
    type,
    ...(type === "http" && { path: "/health" }),
    interval: formatDuration(intervalMs),
    timeout: formatDuration(timeoutMs),
    fall,
    rise,
  };
}
