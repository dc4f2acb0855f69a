import { suggest } from "#shared/config/nearest.ts";
import { servicesOf } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";

/** The topology with the numbers of servers that a scale has; unchanged without one.
 * @throws {UsageError} naming the scales that there are */
export function applyScale(topology: Topology, scale: string | undefined): Topology {
  if (scale === undefined) return topology;
  const servers = Object.hasOwn(topology.scales, scale) ? topology.scales[scale] : undefined;
  if (!servers) throw new UsageError(`there is no scale "${scale}"${suggest(scale, Object.keys(topology.scales))}`);
  const services = servicesOf(topology.services).map(([name, service]) => [
    name,
    { ...service, servers: servers[name] ?? service.servers },
  ]);
  return { ...topology, services: Object.fromEntries(services) as Topology["services"] };
}
