import http from "node:http";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { adminHeaders } from "../admin-client.ts";
import { EventReader } from "./sse.ts";
import type { NodeEvent } from "./sse.ts";

const openLimitMs = 2_000;

/** The events of several nodes, while it is open. */
export interface Feed extends Disposable {
  /** Those that do not tell their events. */
  readonly silent: readonly TopologyNode[];
}

/** Subscribes to the events of every node; resolves once each of them tells them, or does not in time. */
export async function follow(
  nodes: readonly TopologyNode[],
  onEvent: (node: TopologyNode, event: NodeEvent) => void,
): Promise<Feed> {
  const opened = await Promise.all(
    nodes.map(async (node) => ({ node, ...(await open(node, (event) => onEvent(node, event))) })),
  );
  return {
    silent: opened.filter(({ tells }) => !tells).map(({ node }) => node),
    [Symbol.dispose]: () => {
      for (const { request } of opened) request.destroy();
    },
  };
}

function open(
  node: TopologyNode,
  onEvent: (event: NodeEvent) => void,
): Promise<{ request: http.ClientRequest; tells: boolean }> {
  const address = parseSocketAddress(node.admin);
  assert(address, `${node.admin} was validated with the topology`);
  return new Promise((resolve) => {
    const headers = adminHeaders(node.admin).flat();
    const request = http.request({ ...address, path: "/events", headers, agent: false });
    const timer = setTimeout(() => request.destroy(), openLimitMs);
    const settle = (tells: boolean) => {
      clearTimeout(timer);
      resolve({ request, tells });
    };
    request.on("response", (response) => {
      if (response.statusCode !== 200) {
        request.destroy();
        return;
      }
      const reader = new EventReader();
      response.setEncoding("utf8").on("data", (text: string) => {
        settle(true); // It has subscribed before it says its first word.
        for (const event of reader.push(text)) onEvent(event);
      });
      response.on("error", () => {}); // The node is gone: it says no more.
    });
    request.on("error", () => settle(false));
    request.on("close", () => settle(false));
    request.end();
  });
}
