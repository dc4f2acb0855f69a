import { randomBytes } from "node:crypto";
import { systemClock } from "#shared/core/clock.ts";
import { systemRandom } from "#shared/core/random.ts";
import type { Sharing } from "#shared/net/listen.ts";
import { DecisionLog } from "#shared/observe/decisions.ts";
import { EventLog } from "#shared/observe/events.ts";
import { createLogger } from "#shared/observe/log.ts";
import { createMetrics } from "#shared/observe/metrics.ts";
import type { Host, NodeConfig } from "./service.ts";

const seedBytes = 32;

/** What a service of this process is handed.
 * @param seed that of the process it shares sockets with */
export function createHost(
  service: string,
  config: NodeConfig,
  sharing: Sharing | undefined,
  seed: Uint8Array = randomBytes(seedBytes),
): Host {
  const names = { service, node: config.node ?? service };
  const events = new EventLog();
  return {
    node: names.node,
    clock: systemClock,
    random: systemRandom,
    log: createLogger(names),
    metrics: createMetrics(names),
    events,
    decisions: new DecisionLog(events),
    sharing,
    seed,
  };
}
