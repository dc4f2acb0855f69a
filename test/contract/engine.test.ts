import { describe } from "vitest";
import { engines } from "#l7-router/engine/registry.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { describeAnswers } from "./engine/answers.ts";
import { describeClients } from "./engine/clients.ts";
import { describeConnections } from "./engine/connections.ts";
import { describeExchanges } from "./engine/exchanges.ts";
import { describeFailures } from "./engine/failures.ts";
import { describeRefusals } from "./engine/refusals.ts";
import { describeRequests } from "./engine/requests.ts";
import { describeUpgrades } from "./engine/upgrades.ts";

/** Refusals that an engine cannot hold, each with its reason. */
const skips: Record<EngineName, ReadonlyMap<string, string>> = {
  "http-proxy": new Map([
    ["two spaces before the target", "node:http's parser takes them for one; what is forwarded has one"],
  ]),
};

for (const engine of Object.keys(engines) as EngineName[]) {
  describe(`engine ${engine}`, () => {
    describeRefusals(engine, skips[engine]);
    describeRequests(engine);
    describeAnswers(engine);
    describeFailures(engine);
    describeConnections(engine);
    describeExchanges(engine);
    describeClients(engine);
    describeUpgrades(engine);
  });
}
