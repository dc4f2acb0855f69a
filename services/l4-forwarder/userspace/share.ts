import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";

/** The part of a limit of the node that one of its processes holds, rounded up: none asks the others. */
export function shareOf(limit: number, workers: number): number {
  return Math.ceil(limit / workers);
}

/** What one client may take of one process. */
export function shareOfLimits(limits: L4ForwarderConfig["limits"], workers: number): L4ForwarderConfig["limits"] {
  if (workers === 1) return limits;
  const part = (limit: number | undefined) => (limit === undefined ? undefined : shareOf(limit, workers));
  const { connectionsPerClient, connectionsPerSecondPerClient, burst } = limits;
  return {
    connectionsPerClient: part(connectionsPerClient),
    connectionsPerSecondPerClient: part(connectionsPerSecondPerClient),
    burst: part(burst),
  };
}

/** A listener with the limits that one process holds. */
export function shareOfListener(listener: L4ListenerConfig, workers: number): L4ListenerConfig {
  if (workers === 1) return listener;
  const { connectionsPerServer, queue, rebalance } = listener;
  return {
    ...listener,
    connectionsPerServer: connectionsPerServer === undefined ? undefined : shareOf(connectionsPerServer, workers),
    queue: queue && { ...queue, length: shareOf(queue.length, workers) },
    rebalance: rebalance && { ...rebalance, perSecond: shareOf(rebalance.perSecond, workers) },
  };
}
