import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import type { Host } from "#shared/server/service.ts";
import { AccessLog } from "./access-log/access-log.ts";
import { Tracing } from "./tracing/tracing.ts";

/** Who is told of every request that is over, as a config asks for them. */
export interface Recorders {
  readonly accessLog: AccessLog | undefined;
  readonly tracing: Tracing | undefined;
}

export const noRecorders: Recorders = { accessLog: undefined, tracing: undefined };

/** @param former is taken over where it writes to the same place
 * @throws {UsageError} naming a file that cannot be opened; then nothing has changed */
export async function openRecorders(config: L7RouterConfig, host: Host, former = noRecorders): Promise<Recorders> {
  const accessLog = await AccessLog.open(config.accessLog, host, former.accessLog); // May throw, so it comes first.
  return { accessLog, tracing: await Tracing.open(config, host, former.tracing) };
}

/** @param next takes over: what both have stays open */
export async function closeRecorders({ accessLog, tracing }: Recorders, next = noRecorders): Promise<void> {
  await Promise.all([accessLog?.close(next.accessLog), tracing?.close(next.tracing)]);
}
