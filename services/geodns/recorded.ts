import { formatAddress } from "#shared/core/cidr.ts";
import type { Host } from "#shared/server/service.ts";
import type { Answerer, Client, Transport } from "./answer.ts";
import { describe } from "./explain.ts";

/** Records how the query that was just answered was decided, if it asks for that or is drawn.
 * @param reply as it was sent */
export function recordDecision(
  { decisions, node }: Pick<Host, "decisions" | "node">,
  { query, isTraced, drawnId, decision, snapshot }: Answerer,
  { address }: Client,
  transport: Transport,
  reply: Uint8Array,
): void {
  const traceId = isTraced ? (query.traceId ?? drawnId) : undefined;
  if (traceId === undefined || !decision) return;
  const { name, type, subnet } = query;
  const ecs = subnet && `${formatAddress(subnet)}/${query.sourcePrefix}`;
  const sentMax = ((reply[6] ?? 0) << 8) | (reply[7] ?? 0); // fewer than decided, if the reply was cut
  decisions.record(traceId, {
    ...describe({ name, type }, { client: address, subnet: subnet && { address: subnet } }, ecs, decision, snapshot),
    server: node,
    transport,
    at: new Date().toISOString(),
    sent: decision.answers.flatMap(({ set }) => set.texts).slice(0, sentMax),
  });
}
