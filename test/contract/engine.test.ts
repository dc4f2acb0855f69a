import { describe } from "vitest";
import { engines } from "#l7-router/engine/registry.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { describeFailures } from "./engine/failures.ts";
import { describeMessages } from "./engine/messages.ts";
import { describeRefusals } from "./engine/refusals.ts";
import { describeUpgrades } from "./engine/upgrades.ts";

/** Cases that an engine cannot hold, each with its reason. */
const skips: Record<EngineName, ReadonlyMap<string, string>> = {
  "http-proxy": new Map(),
};

for (const engine of Object.keys(engines) as EngineName[]) {
  describe(`engine ${engine}`, () => {
    describeRefusals(engine, skips[engine]);
    describeMessages(engine);
    describeFailures(engine);
    describeUpgrades(engine);
  });
}
