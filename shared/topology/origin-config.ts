import type { Topology } from "#shared/config/schema/topology.ts";
import { forwarderSeats, serversOf } from "./places.ts";
import type { Zone } from "./places.ts";
import type { AddressPlan } from "./plan.ts";

/** The servers of a zone, in one process; its api servers reach the database and the sinks through any forwarder of the zone. */
export function originConfig(topology: Topology, plan: AddressPlan, zone: Zone): Record<string, unknown> {
  const through = (port: number | undefined) =>
    port === undefined ? [] : forwarderSeats(zone, plan).map(({ address }) => `${address}:${port}`);
  return {
    servers: serversOf(topology, plan, zone).map(({ name, service, address, settings }) => ({
      name,
      service,
      address,
      ...(settings.proxyProtocol && { proxyProtocol: { accept: settings.proxyProtocol } }),
    })),
    replicas: through(topology.services.db?.port),
    telemetry: through(topology.services.telemetry?.port),
  };
}
