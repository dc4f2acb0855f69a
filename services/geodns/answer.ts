import type { AddressBytes } from "#shared/core/cidr.ts";
import { decide } from "./decide.ts";
import type { Decision } from "./decide.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Rcode } from "./wire/codes.ts";
import { readQuery, udpReplyBytesMax } from "./wire/query.ts";
import type { Query } from "./wire/query.ts";
import { encodeReply, tcpBytesMax, udpBytesMax } from "./wire/reply.ts";

export type Transport = "udp" | "tcp";

/** A reply, and how it came about. */
export interface Answer {
  readonly bytes: Buffer;
  readonly query: Query;
  readonly rcode: Rcode;
  /** Undefined where the query was refused before its question was looked at. */
  readonly decision: Decision | undefined;
}

/** Answers one message; undefined means silence. Never throws on bad input.
 *
 * Read strictly → refuse what cannot be answered → look the name up, and steer → write within the client's limit. */
export function answer(
  message: Uint8Array,
  client: AddressBytes,
  transport: Transport,
  snapshot: Snapshot,
): Answer | undefined {
  const reading = readQuery(message);
  if (reading.state === "silence") return undefined;

  const { query } = reading;
  const bytesMax = transport === "tcp" ? tcpBytesMax : udpReplyBytesMax(query, udpBytesMax);
  const { nsid } = snapshot.identity;
  if (reading.state === "refused") {
    const refusal = { query: withoutSubnet(query), rcode: reading.rcode, ...nothing, nsid };
    return { bytes: encodeReply(refusal, bytesMax), query, rcode: reading.rcode, decision: undefined };
  }

  const decision = decide(reading.query.question, { client, subnet: query.edns?.subnet }, snapshot);
  return { bytes: encodeReply({ query, ...decision, nsid }, bytesMax), query, rcode: decision.rcode, decision };
}

const nothing = { authoritative: false, answers: [], authority: [], scopePrefix: 0 } as const;

/** A malformed query says nothing about a subnet that could be echoed. */
function withoutSubnet(query: Query): Query {
  return query.edns ? { ...query, edns: { ...query.edns, subnet: undefined } } : query;
}
