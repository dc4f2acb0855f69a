import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Host, ServiceDefinition } from "#shared/server/service.ts";
import { checkedGeodnsSchema } from "./config.ts";
import { readFiles } from "./config-files.ts";
import { NameServer } from "./name-server.ts";
import { filesOf } from "./parts.ts";

/** Starts a name server. Its listeners answer at once; steered names only after the first health round.
 * @throws {UsageError} for a taken port, a geo database that cannot be used, or a dnsZone that cannot be served */
export function start(config: GeodnsConfig, host: Host): Promise<NameServer> {
  return NameServer.start(config, host);
}

/** Reads every file that the config names too. */
async function check(config: GeodnsConfig): Promise<string[]> {
  const { warnings } = await readFiles(config, { overrides: true });
  return warnings.map(({ place, message }) => `${place}: ${message} (warning)`);
}

export const geodns: ServiceDefinition<GeodnsConfig> = {
  name: "geodns",
  schema: checkedGeodnsSchema,
  check,
  filesOf,
  start,
};
