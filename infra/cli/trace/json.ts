import { formatCidr } from "#shared/core/cidr.ts";
import type { Recorded } from "./records.ts";
import type { Trace } from "./trace.ts";

/** A trace as `--json` prints it: records stand there as their nodes gave them. Times are milliseconds. */
export function traceJson(trace: Trace): Record<string, unknown> {
  const { dns, answer, client } = trace;
  return {
    id: trace.id,
    client: { ...client, subnet: client.subnet && formatCidr(client.subnet) },
    request: { method: trace.method, host: trace.target.hostHeader, path: trace.target.path },
    dns: dns && {
      server: dns.server?.name ?? null,
      failures: dns.failures.map(({ server, reason, message }) => ({ server: server.name, reason, message })),
      answer: dns.answer,
      tookMs: dns.tookMs,
      ...recordJson(dns.record),
    },
    tries: trace.tries,
    clientRetries: Math.max(0, trace.tries.length - 1),
    http: trace.http && recordJson(trace.http),
    connections: trace.connections.map(({ attempt, connection, record }) => ({
      attempt,
      connection,
      ...recordJson(record),
    })),
    answer: answer && { ...answer, body: answer.body.toString("utf8") },
  };
}

function recordJson(record: Recorded<unknown> | null): Record<string, unknown> {
  return { node: record?.node ?? null, decision: record?.raw ?? null, missing: record?.missing ?? null };
}
