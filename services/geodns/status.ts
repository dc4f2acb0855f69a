import type { ServiceView } from "./snapshot.ts";

/** A service as `GET /status` shows it. */
export function describeService({ name, ready, ttl, regions }: ServiceView): Record<string, unknown> {
  const all = [...regions.values()];
  return {
    name,
    ready,
    ttl,
    failOpen: all.every(({ healthy }) => !healthy),
    regions: all.map((region) => ({
      region: region.name,
      healthy: region.healthy,
      reason: region.reason,
      override: region.override,
      changing: region.changing,
      up: region.addresses.filter(({ up }) => up).length,
      addresses: region.addresses.length,
    })),
  };
}
