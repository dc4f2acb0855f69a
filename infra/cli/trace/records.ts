import type { ZodType } from "zod";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { messageOf } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { getAdmin, refusalText } from "../admin-client.ts";
import { connectionDecisionSchema } from "./decisions.ts";
import type { ConnectionDecision, HttpDecision } from "./decisions.ts";

/** What a node recorded, or why that is not known. A decision is never made a second time to fill the gap. */
export interface Recorded<T> {
  readonly node: string;
  readonly decision: T | null;
  /** As the node gave it. */
  readonly raw: unknown;
  readonly missing: string | null;
}

/** The record of the connection on which one attempt of the router went. */
export interface ConnectionRecord {
  /** Of the router, from 1. */
  readonly attempt: number;
  readonly connection: string;
  readonly record: Recorded<ConnectionDecision> | null;
}

const askTimeoutMs = 1_000;
const asksMax = 10; // a record is written when the answer has ended, which may be a moment after the client saw it
const askAgainMs = 30;

/** The decision recorded under `id`. */
export async function fetchRecord<T>(node: TopologyNode, id: string, schema: ZodType<T>): Promise<Recorded<T>> {
  const missing = (why: string, raw: unknown = null) => ({ node: node.name, decision: null, raw, missing: why });
  for (let ask = 1; ; ask++) {
    try {
      const reply = await getAdmin(node.admin, `/decisions/${encodeURIComponent(id)}`, askTimeoutMs);
      if (reply.status === 200) {
        const raw: unknown = JSON.parse(reply.text);
        const parsed = schema.safeParse(raw);
        if (!parsed.success) return missing(`the record has another form than expected: ${parsed.error.message}`, raw);
        return { node: node.name, decision: parsed.data, raw, missing: null };
      }
      if (reply.status !== 404) return missing(`${node.admin} answered ${refusalText(reply.status)}`);
      if (ask === asksMax) return missing(`${node.name} has no record of it`);
    } catch (error) {
      return missing(messageOf(error));
    }
    await new Promise((resolve) => setTimeout(resolve, askAgainMs));
  }
}

/** What the forwarders recorded of the connections that the router's attempts went on. */
export function recordsOfConnections(
  nodes: readonly TopologyNode[],
  decision: HttpDecision,
): Promise<ConnectionRecord[]> {
  const asked = decision.attempts.map(async ({ choice, connection }, i): Promise<ConnectionRecord | undefined> => {
    if (!connection) return undefined; // It was never opened.
    const host = parseSocketAddress(choice?.address ?? "")?.host;
    const forwarder = nodes.find((node) => node.service === "l4-forwarder" && node.address === host);
    const record = forwarder ? await fetchRecord(forwarder, connection, connectionDecisionSchema) : null;
    return { attempt: i + 1, connection, record };
  });
  return Promise.all(asked).then((records) => records.filter((record) => record !== undefined));
}
