import { parseSocketAddress } from "#shared/core/cidr.ts";
import { adminToken } from "#shared/server/token.ts";
import { clientAddressOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { commandName } from "../command-name.ts";
import { paintForStdout, renderTable } from "../table.ts";
import type { Stack } from "./choose.ts";
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

/** "127.53.0.1:5300 udp+tcp", "127.11.1.1  web 7001, api 7002", "127.11.1.x:9000  web 10-13, api 100-102" */
export function listensText(node: TopologyNode): string {
  const listens = node.listens.flatMap((listen) => {
    const address = parseSocketAddress(listen.address);
    return address ? [{ ...listen, ...address, kind: listen.what.replace(/-\d+$/, "") }] : [];
  });
  const [first] = listens;
  if (!first) return "";
  if (listens.length === 1) return `${first.address} ${first.protocol}`;
  if (listens.every(({ host }) => host === first.host))
    return `${first.host}  ${listens.map(({ kind, port }) => `${kind} ${port}`).join(", ")}`;
  const groups = [...Map.groupBy(listens, ({ kind }) => kind)];
  const ranges = groups.map(([kind, group]) => `${kind} ${rangeText(group.map(({ host }) => host))}`);
  return `${first.host.slice(0, first.host.lastIndexOf("."))}.x:${first.port}  ${ranges.join(", ")}`;
}

/** The last octets of addresses one after the other: "10-13". */
function rangeText(hosts: readonly string[]): string {
  const octets = hosts.map((host) => host.slice(host.lastIndexOf(".") + 1));
  return octets.length === 1 ? (octets[0] ?? "") : `${octets[0]}-${octets.at(-1)}`;
}

/** Commands that work on this stack. */
export function whatToTry({ topology, nodes }: Stack): string {
  const www = `www.${topology.dnsZone}`;
  const countries = Object.keys(topology.testClients);
  const country = countries.includes("DE") ? "DE" : countries[0];
  const client = country === undefined ? "127.0.0.1" : clientAddressOf(topology, country).address;
  const listenerOf = (service: string, spoken?: string) =>
    nodes
      .find((node) => node.service === service)
      ?.listens.find(({ protocol, what }) => protocol !== "udp" && (spoken ?? what) === what)?.address ?? "";
  const https = listenerOf("l7-router", "HTTPS");
  const nameServer = parseSocketAddress(listenerOf("geodns"));
  return [
    `Try, in another terminal${adminToken() ? " (where WATERSHED_ADMIN_TOKEN is set, too)" : ""}:`,
    `  dig -b ${client} @${nameServer?.host} -p ${nameServer?.port} ${www} +short`,
    `  curl --interface ${client} -H 'Host: ${www}' http://${listenerOf("l7-router")}/api/users`,
    // Its demo certificate is nobody's: -k.
    `  curl --interface ${client} -k --connect-to ::${https} https://${www}/api/users`,
    `  ${commandName()} trace --from ${country ?? client} /api/catalog`,
    `  ${commandName()} status`,
    ...drills(nodes),
    "",
  ].join("\n");
}

/** Kills one server of the first zone, and heals it; then the first router. */
export function drills(nodes: readonly TopologyNode[]): string[] {
  const origin = nodes.find((node) => node.service === "origin");
  const server = origin?.listens.find(({ what }) => what.startsWith("api-"))?.what ?? origin?.listens[0]?.what;
  const router = nodes.find((node) => node.service === "l7-router");
  return [
    ...(origin?.zone && server ? [`  ${commandName()} chaos kill server ${origin.zone}/${server} --for 10s`] : []),
    ...(router ? [`  ${commandName()} chaos kill router ${router.name} --for 10s`] : []),
  ];
}
