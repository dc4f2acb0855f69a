import type { Socket } from "node:net";
import type { BalanceName } from "#shared/config/schema/common.ts";
import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import { TrafficError } from "#shared/core/error.ts";
import { attempt, attemptsCap } from "#shared/endpoint/attempt.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Pool, PoolChoice } from "#shared/endpoint/pool.ts";
import type { Choice } from "#shared/endpoint/status.ts";
import { dial } from "#shared/net/dial.ts";
import type { ConnectAttempt } from "../connections.ts";

export interface DialServerOptions {
  /** 32 bits of the client, for ip-hash. */
  readonly hash: number;
  /** Default: the pool's own. */
  readonly balance: BalanceName | undefined;
  readonly timeouts: L4ForwarderConfig["timeouts"];
  readonly localAddress: string | undefined;
  /** That one server may have. */
  readonly connectionsMax: number | undefined;
  /** The client is gone: nobody needs the server any more. */
  readonly signal: AbortSignal;
  onAttempt(attempt: ConnectAttempt): void;
}

/** A connected server. Whoever takes it calls `endpoint.end()` when the connection is over. */
export interface Server {
  readonly socket: Socket;
  readonly endpoint: Endpoint;
}

const tryMsMin = 10; // a shorter try says nothing about a server
const endpointsDescribedMax = 256; // above it a choice is kept without its candidates: listing them would cost more than the connect

/** Picks an endpoint and connects; who refuses or does not answer is followed by the next, as long as somebody is left that
 * was not tried, for 16 tries at most and as long as the time of all tries is not over.
 * @throws {TrafficError} of the last try, or NO_HEALTHY, NO_ENDPOINT, CLIENT_GONE */
export function dialServer(pool: Pool, options: DialServerOptions): Promise<Server> {
  const { hash, balance, timeouts, signal } = options;
  const deadlineMs = pool.clock.nowMs() + timeouts.connectTotalMs;
  let described: Choice | undefined;
  return attempt(
    pool,
    {
      hash,
      balance,
      signal,
      attemptsMax: attemptsCap,
      judgedLater: true,
      mayRetry: () => deadlineMs - pool.clock.nowMs() >= tryMsMin,
      onChoice: (choice, tried) => {
        described = describe(pool, choice, tried, balance);
      },
      onAttempt: ({ outcome, tookMs }) => {
        if (described) options.onAttempt({ choice: described, outcome, tookMs });
      },
    },
    (endpoint) => connect(endpoint, pool, options, deadlineMs),
  );
}

async function connect(
  endpoint: Endpoint,
  pool: Pool,
  { timeouts, localAddress, signal, connectionsMax = Number.POSITIVE_INFINITY }: DialServerOptions,
  deadlineMs: number,
): Promise<Server> {
  const { host, port } = endpoint;
  if (endpoint.active >= connectionsMax) throw full(endpoint);
  const startedMs = pool.clock.nowMs();
  const timeoutMs = Math.min(timeouts.connectMs, Math.max(tryMsMin, deadlineMs - startedMs));
  endpoint.begin(); // Before the connect, so that the connections of one moment do not all pick the same endpoint.
  try {
    const socket = await dial({ host, port, localAddress, timeoutMs, allowHalfOpen: true, signal });
    const nowMs = pool.clock.nowMs();
    endpoint.observeLatency(nowMs - startedMs, nowMs);
    return { socket, endpoint };
  } catch (error) {
    endpoint.end();
    throw error;
  }
}

/** No fault of its own, and no reason to count against it. */
function full({ id }: Endpoint): TrafficError {
  return new TrafficError("LIMIT_REACHED", `${id} has as many connections as it may`, {
    origin: "internal",
    retryable: true,
  });
}

function describe(
  pool: Pool,
  choice: PoolChoice,
  tried: readonly Endpoint[],
  balance: BalanceName = pool.balance,
): Choice {
  if (pool.endpoints.length <= endpointsDescribedMax) return pool.describe(choice, tried, balance);
  const { endpoint, reason } = choice;
  return {
    pool: pool.name,
    balance,
    address: endpoint?.id ?? null,
    name: endpoint?.name ?? null,
    zone: endpoint?.zone ?? null,
    reason,
    active: endpoint?.active ?? 0,
    candidates: [],
  };
}
