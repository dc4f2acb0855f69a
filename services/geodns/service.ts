import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Host, ServiceDefinition } from "#shared/server/service.ts";
import { checkedGeodnsSchema } from "./config.ts";
import { readKeys } from "./dnssec/signing.ts";
import { diskFiles } from "./zone-files.ts";
import { buildZones } from "./zone/build.ts";
import { formatPlace } from "./zone/record.ts";
import { NameServer } from "./name-server.ts";

/** Starts a name server. Its listeners answer at once; steered names only after the first health round.
 * @throws {UsageError} for a taken port, a geo database that cannot be used, or a dnsZone that cannot be served */
export function start(config: GeodnsConfig, host: Host): Promise<NameServer> {
  return NameServer.start(config, host);
}

/** Reads zone files and keys too. */
function check(config: GeodnsConfig): string[] {
  const { zones, warnings } = buildZones(config.dnsZones, diskFiles);
  readKeys(config, zones);
  return warnings.map(({ place, message }) => `${formatPlace(place)}: ${message} (warning)`);
}

export const geodns: ServiceDefinition<GeodnsConfig> = { name: "geodns", schema: checkedGeodnsSchema, check, start };
