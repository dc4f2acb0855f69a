import { originSchema } from "#shared/config/schema/origin.ts";
import type { OriginConfig } from "#shared/config/schema/origin.ts";
import { runService } from "#shared/server/run.ts";
import type { ServiceDefinition } from "#shared/server/service.ts";
import { OriginService } from "./service.ts";

/** The servers of one zone, in one process. */
export const origin: ServiceDefinition<OriginConfig> = {
  name: "origin",
  schema: originSchema,
  start: (config, host) => OriginService.start(config, host),
};

if (import.meta.main) await runService(origin, process.argv.slice(2));
