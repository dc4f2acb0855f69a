import type { Topology } from "#shared/config/schema/topology.ts";
import { formatDuration } from "#shared/core/duration.ts";

/** The `health` of a pool: by HTTP and UDP a server must say that it is well, by TCP it only has to accept. */
export function healthOf({ health }: Topology, type: "http" | "tcp" | "udp"): Record<string, unknown> {
  const { intervalMs, timeoutMs, fall, rise } = health;
  return {
    type,
    ...(type === "http" && { path: "/health" }),
    ...(type === "udp" && { send: "health", expect: "ok" }),
    interval: formatDuration(intervalMs),
    timeout: formatDuration(timeoutMs),
    fall,
    rise,
  };
}
