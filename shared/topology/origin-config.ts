import type { Topology } from "#shared/config/schema/topology.ts";
import { forwarderHosts, serverPort, serversOf } from "./places.ts";
import type { Zone } from "./places.ts";

/** The servers of a zone, in one process; its api servers reach the database through any forwarder of the zone. */
export function originConfig(topology: Topology, zone: Zone): Record<string, unknown> {
  const databasePort = topology.services.db?.port;
  return {
    servers: serversOf(topology, zone).map(({ name, service, host, settings }) => ({
      name,
      service,
      address: `${host}:${serverPort}`,
      ...(settings.proxyProtocol && { proxyProtocol: { accept: settings.proxyProtocol } }),
    })),
    replicas: databasePort === undefined ? [] : forwarderHosts(zone).map((host) => `${host}:${databasePort}`),
  };
}
