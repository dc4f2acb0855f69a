import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import { runService } from "#shared/server/run.ts";
import type { ServiceDefinition } from "#shared/server/service.ts";
import { Router } from "./router.ts";
import { geoFor } from "./visitor.ts";

export const l7Router = {
  name: "l7-router",
  schema: l7RouterSchema,
  async start(config, host) {
    const router = new Router(config, host, await geoFor(config));
    await router.listen();
    return router;
  },
} satisfies ServiceDefinition<L7RouterConfig>;

if (import.meta.main) await runService(l7Router, process.argv.slice(2));
