import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { AdminRefusal, getAdminJson } from "../admin-client.ts";

const answerTimeoutMs = 1_000;

/** What one node said, or why it said nothing. */
export interface NodeReport {
  readonly name: string;
  readonly service: string;
  readonly admin: string;
  readonly status: Readonly<Record<string, unknown>> | null;
  readonly reason: Reason | null;
  readonly error: string | null;
  /** HTTP status of a node that answered, and told nothing. */
  readonly refusedWith: number | null;
}

/** The status of one node. Never rejects. */
export async function askNode(node: TopologyNode): Promise<NodeReport> {
  const about = { name: node.name, service: node.service, admin: node.admin };
  try {
    const status = await getAdminJson(node.admin, "/status", answerTimeoutMs);
    return { ...about, status, reason: null, error: null, refusedWith: null };
  } catch (error) {
    const reason = error instanceof TrafficError ? error.reason : "UPSTREAM_INVALID";
    const refusedWith = error instanceof AdminRefusal ? error.status : null;
    return { ...about, status: null, reason, error: messageOf(error), refusedWith };
  }
}
