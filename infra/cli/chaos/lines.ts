import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { printable } from "../table.ts";
import type { NodeEvent } from "./sse.ts";

/** One line of a drill: what was done, what a node saw, or how it ended. */
export type Line =
  | { readonly kind: "action"; readonly afterMs: number; readonly node: string; readonly what: string }
  | { readonly kind: "event"; readonly afterMs: number; readonly node: string; readonly event: NodeEvent }
  | { readonly kind: "note"; readonly afterMs: number; readonly what: string };

/** "+3.1 s  eu-west/l7-1  endpoint_down      pool api eu-west-a/l4-1 CHECK_REFUSED" */
export function lineText(line: Line, nodes: readonly TopologyNode[]): string {
  const width = Math.max(0, ...nodes.map(({ name }) => name.length));
  const after = `+${(line.afterMs / 1_000).toFixed(1)} s`.padStart(7);
  if (line.kind === "note") return printable(`${after}  ${line.what}`);
  const start = `${after}  ${line.node.padEnd(width)}  `;
  if (line.kind === "action") return printable(start + line.what);
  return printable(`${start}${line.event.type.padEnd(17)}  ${factsText(line.event, nodes)}`.trimEnd());
}

function factsText({ type, data }: NodeEvent, nodes: readonly TopologyNode[]): string {
  const word = (key: string) => (typeof data[key] === "string" ? data[key] : "");
  if (type.startsWith("endpoint_")) return words("pool", word("pool"), nameOf(data, nodes), word("reason"));
  if (type.startsWith("region_"))
    return words("service", word("service"), word("region"), word("reason"), word("steering"));
  return words(
    ...Object.entries(data).flatMap(([key, value]) =>
      typeof value === "object" && value !== null ? [] : [`${key} ${String(value)}`],
    ),
  );
}

/** Of a node where the endpoint is one: name servers know routers by their addresses alone. */
function nameOf(data: NodeEvent["data"], nodes: readonly TopologyNode[]): string {
  const endpoint = typeof data["endpoint"] === "string" ? data["endpoint"] : "";
  const host = parseSocketAddress(endpoint)?.host ?? endpoint;
  const node = nodes.find(({ address, service }) => address === host && service !== "origin");
  return node?.name ?? (typeof data["name"] === "string" ? data["name"] : endpoint);
}

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

/** The same for programs: one object. Times are milliseconds. */
export function lineJson(line: Line): Record<string, unknown> {
  const afterMs = Math.round(line.afterMs);
  if (line.kind !== "event") return { ...line, afterMs };
  return { kind: line.kind, afterMs, node: line.node, event: line.event.type, data: line.event.data };
}
