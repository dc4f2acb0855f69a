import { once } from "node:events";
import http from "node:http";
import type { IncomingMessage } from "node:http";
import { setTimeout } from "node:timers/promises";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError, assert, messageOf } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { adminHeaders, refusalText } from "../admin-client.ts";
import { EventReader } from "../chaos/sse.ts";

const retryMs = 1_000;
const silenceMs = 35_000; // a node says every 15 s that it is alive

/** What is told of a node while it is followed. */
export interface TapListener {
  decision(node: TopologyNode, decision: Readonly<Record<string, unknown>>): void;
  /** So many decisions were made besides, and not told. */
  passedOver(node: TopologyNode, count: number): void;
  /** It answers no more (why), or again (undefined). */
  silent(node: TopologyNode, why: string | undefined): void;
}

/** Follows the decisions of a node until `stop`, coming back to it by itself.
 * @throws {UsageError} if it refuses us: asking again would not help */
export async function followDecisions(node: TopologyNode, stop: AbortSignal, listener: TapListener): Promise<void> {
  let isSilent = false;
  while (!stop.aborted) {
    try {
      const reply = await ask(node, stop);
      if (reply.statusCode === 401) throw new UsageError(`${node.name} answered ${refusalText(401)}`);
      if (reply.statusCode !== 200) throw new Error(`HTTP ${reply.statusCode}`);
      if (isSilent) listener.silent(node, undefined);
      isSilent = false;
      await tellAll(node, reply, listener);
      throw new Error("the stream ended");
    } catch (error) {
      if (error instanceof UsageError) throw error;
      if (stop.aborted) return;
      if (!isSilent) listener.silent(node, whyOf(error));
      isSilent = true;
    }
    await setTimeout(retryMs, undefined, { signal: stop }).catch(() => {});
  }
}

async function ask(node: TopologyNode, signal: AbortSignal): Promise<IncomingMessage> {
  const address = parseSocketAddress(node.admin);
  assert(address, `${node.admin} was validated with the topology`);
  const headers = adminHeaders(node.admin).flat();
  const request = http.get({ ...address, path: "/events?watch=decisions", headers, agent: false, signal });
  request.setTimeout(silenceMs, () => request.destroy(new Error("TIMEOUT")));
  const [reply] = (await once(request, "response")) as [IncomingMessage];
  reply.once("close", () => request.destroy());
  return reply;
}

async function tellAll(node: TopologyNode, reply: IncomingMessage, listener: TapListener): Promise<void> {
  const reader = new EventReader();
  for await (const text of reply.setEncoding("utf8") as AsyncIterable<string>)
    for (const { type, data } of reader.push(text)) {
      if (type === "decision") listener.decision(node, data);
      else if (type === "decisions_passed_over") listener.passedOver(node, Number(data["count"]));
    }
}

function whyOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : messageOf(error);
}
