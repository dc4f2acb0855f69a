import { parseSocketAddress } from "#shared/core/cidr.ts";
import { clientAddressOf, nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { Stack } from "../commands/command.ts";
import { paintForStdout, renderTable } from "../table.ts";
import { tiersOf } from "./tiers.ts";

/** What listens where: one row a node, name servers first, as a request goes. */
export function whereTable(nodes: readonly TopologyNode[]): string {
  const rows = tiersOf(nodes)
    .toReversed()
    .flatMap((tier) =>
      tier.nodes.map((node, i) => [i === 0 ? tier.title : "", node.name, listensText(node), node.admin]),
    );
  return renderTable(
    [{ title: "tier" }, { title: "node" }, { title: "listens" }, { title: "admin" }],
    rows,
    paintForStdout,
  );
}

/** "web 127.11.1.10-13:9000, api 127.11.1.100-102:9000"; on the node's own address only ports: "web 7001, api 7002". */
export function listensText(node: TopologyNode): string {
  const listens = node.listens.flatMap((listen) => {
    const address = parseSocketAddress(listen.address);
    return address ? [{ ...listen, ...address, kind: listen.what.replace(/-\d+$/, "") }] : [];
  });
  const own = listens.every(({ host }) => host === node.address);
  if (own && listens.length === 1 && listens[0]) return `${listens[0].address} ${listens[0].protocol}`;
  if (own) return `${node.address}  ${listens.map(({ kind, port }) => `${kind} ${port}`).join(", ")}`;
  return [...Map.groupBy(listens, ({ kind, port }) => `${kind}:${port}`).values()]
    .map((group) => `${group[0]?.kind} ${rangeText(group.map(({ host }) => host))}:${group[0]?.port}`)
    .join(", ");
}

/** Addresses one after the other in the last octet: "127.11.1.10-13". */
function rangeText(hosts: readonly string[]): string {
  const first = hosts[0] ?? "";
  const last = hosts.at(-1) ?? "";
  return hosts.length === 1 ? first : `${first}-${last.slice(last.lastIndexOf(".") + 1)}`;
}

/** Commands that work on this stack. */
export function whatToTry({ topology }: Stack): string {
  const nodes = nodesOf(topology);
  const www = `www.${topology.dnsZone}`;
  const countries = Object.keys(topology.testClients);
  const country = countries.includes("DE") ? "DE" : countries[0];
  const client = country === undefined ? "127.0.0.1" : clientAddressOf(topology, country).address;
  const listenerOf = (service: string) =>
    nodes.find((node) => node.service === service)?.listens.find(({ protocol }) => protocol !== "udp")?.address ?? "";
  const nameServer = parseSocketAddress(listenerOf("geodns"));
  return [
    "Try, in another terminal:",
    `  dig -b ${client} @${nameServer?.host} -p ${nameServer?.port} ${www} +short`,
    `  curl --interface ${client} -H 'Host: ${www}' http://${listenerOf("l7-router")}/api/users`,
    `  ./watershed trace --from ${country ?? client} /api/catalog`,
    "  ./watershed status",
    ...drills(nodes),
    "",
  ].join("\n");
}

/** Stops one server of the first zone, and heals it. */
function drills(nodes: readonly TopologyNode[]): string[] {
  const origin = nodes.find((node) => node.service === "origin");
  const server = origin?.listens.find(({ what }) => what.startsWith("api-"))?.what ?? origin?.listens[0]?.what;
  if (!origin || !server) return [];
  return ["stop", "heal"].map((drill) => `  curl -X POST http://${origin.admin}/servers/${server}/${drill}`);
}
