import pino from "pino";
import { systemClock } from "#shared/core/clock.ts";
import { seededRandom } from "#shared/core/random.ts";
import { DecisionLog } from "#shared/observe/decisions.ts";
import { EventLog } from "#shared/observe/events.ts";
import { createMetrics } from "#shared/observe/metrics.ts";
import type { Host } from "#shared/server/service.ts";

/** What a service is handed in a test: silent, real time, repeatable chance. */
export function testHost(overrides: Partial<Host> = {}): Host {
  const events = overrides.events ?? new EventLog();
  return {
    node: "test",
    clock: systemClock,
    random: seededRandom(1),
    log: pino({ level: "silent" }),
    metrics: createMetrics({ service: "test", node: "test" }),
    events,
    decisions: new DecisionLog(events),
    sharing: undefined,
    seed: Buffer.alloc(32, 1),
    ...overrides,
  };
}
