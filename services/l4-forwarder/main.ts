import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import { runService } from "#shared/server/run.ts";
import type { Host, Service, ServiceDefinition } from "#shared/server/service.ts";
import { Forwarder } from "./forwarder.ts";

export const l4Forwarder: ServiceDefinition<L4ForwarderConfig> = {
  name: "l4-forwarder",
  schema: l4ForwarderSchema,
  start,
};

/** @throws {UsageError} if an address cannot be taken */
export async function start(config: L4ForwarderConfig, host: Host): Promise<Service<L4ForwarderConfig>> {
  const forwarder = new Forwarder(config, host);
  await forwarder.open();
  return forwarder;
}

if (import.meta.main) await runService(l4Forwarder, process.argv.slice(2));
