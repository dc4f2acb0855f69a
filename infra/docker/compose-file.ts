import path from "node:path";
import type { Topology } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { geoFolder } from "#shared/topology/plan.ts";
import { observabilityServices } from "./compose-observability.ts";
import { attachmentLines, tokenFile } from "./compose-parts.ts";
import { postgresServices, postgresVolumes } from "./compose-postgres.ts";
import { attachmentsOf, clientAttachments, networksOf } from "./networks.ts";
import type { ContainerNetwork } from "./networks.ts";
import { publishedPorts, requestOrder } from "./ports.ts";
import type { PublishedPort } from "./ports.ts";

/** Countries whose client is there at once; the others are in the profile `countries`. */
const clientsAtOnce = ["DE", "US"];
const moreClients = ["BR", "MX", "GB", "FR", "EG", "ZA", "IN", "SG", "JP", "AU"]; // every continent

/** "eu-west-a/l4-1" → "eu-west-a-l4-1": its service in the file. */
export function composeName(nodeName: string): string {
  return nodeName.replaceAll("/", "-");
}

/** resolv.conf of the clients: the name servers of the stack, and no other one. */
export function resolvConf(topology: Topology): string {
  const servers = nodesOf(topology, "containers").filter(({ service }) => service === "geodns");
  const lines = servers.map(({ address }) => `nameserver ${address}\n`).join("");
  return `# Name resolution of the clients. Written by \`npm run compose\`.\n${lines}options timeout:1 attempts:2\n`;
}

/** docker-compose.yml of a topology, for Compose 1.29 and 2: it has neither `version` nor `name`.
 * @throws {UsageError} if the topology does not fit into the networks of containers */
export function composeFile(topology: Topology): string {
  const nodes = nodesOf(topology, "containers");
  const networks = networksOf(topology);
  const ports = publishedPorts(topology);
  return [
    head(topology, requestOrder(nodes), ports),
    fragments,
    `services:\n${token}`,
    ...nodes.map((node) =>
      nodeService(node, nodes, attachmentsOf(node, networks), ports.get(node.name) ?? [], volumesOf(topology, node)),
    ),
    ...clientServices(topology, nodes),
    ...loadServices(topology),
    observabilityServices(topology),
    ...postgresServices(topology),
    `networks:\n${networks.map(networkText).join("\n")}`,
    `volumes:\n${["token", ...postgresVolumes(topology)].map((volume) => `  ${volume}: {}\n`).join("")}`,
  ].join("\n");
}

function head(
  { dnsZone }: Topology,
  nodes: readonly TopologyNode[],
  ports: ReadonlyMap<string, readonly PublishedPort[]>,
): string {
  const shown = (what: PublishedPort["what"]) =>
    nodes.flatMap(({ name }) => {
      const found = ports.get(name)?.find((published) => published.what === what);
      return found ? [`${found.port} ${name}`] : [];
    });
  return `# The stack of infra/topology.yaml in containers. Written by \`npm run compose\`: change the topology, then run that.
#
# Images: npm run images
# Up:     docker compose up --wait          (Compose 1.29: docker-compose up -d)
# Try:    docker compose exec client-de curl -s http://www.${dnsZone}/api/users
# Down:   docker compose down --volumes
# Profiles: countries      more clients
#           chaos          a load generator in each of the two clients: docker compose logs -f load-de load-us
#           observability  Prometheus on 9090, Grafana on 3000
#           postgres       a primary, its streaming replicas, and two forwarders before them (npm run images -- postgres)
#
# On 127.0.0.1 of the host:
#   DNS    ${shown("DNS").join(", ")}
#   HTTP   ${shown("HTTP").join(", ")}
#   admin  ${inRows(shown("admin"), 4).join("\n#          ")}
# The admin API wants the token of the volume: docker compose exec client-de cat /run/watershed/token
`;
}

function inRows(words: readonly string[], perRow: number): string[] {
  const rows = Array.from({ length: Math.ceil(words.length / perRow) }, (_, i) =>
    words.slice(i * perRow, (i + 1) * perRow),
  );
  return rows.map((row) => row.join(", "));
}

const commonVolumes = ["./infra/topology.yaml:/watershed/infra/topology.yaml:ro", "token:/run/watershed:ro"];

const fragments = `x-healthy: &healthy { condition: service_healthy }
x-completed: &completed { condition: service_completed_successfully }

x-node: &node
  restart: "no" # who is killed stays dead, so that drills show who carries on
  pull_policy: never # built here
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  sysctls: { net.ipv4.ip_unprivileged_port_start: 0 } # ports 53 and 80 without root
  stop_grace_period: 30s
  mem_limit: 512m
  pids_limit: 128
  logging: { driver: json-file, options: { max-size: 10m, max-file: "2" } }
  volumes:
${commonVolumes.map((volume) => `    - ${volume}\n`).join("")}
x-confined: &confined
  <<: *node
  security_opt: ["no-new-privileges:true"]

# Listeners that change no byte are carried by the kernel. nft and conntrack have NET_ADMIN as a file capability, which
# no-new-privileges would take away.
x-l4-forwarder: &l4-forwarder
  <<: *node
  cap_add: [NET_ADMIN]
  sysctls: { net.ipv4.ip_unprivileged_port_start: 0, net.ipv4.ip_forward: 1 }

x-client: &client
  <<: *confined
  image: watershed/client:local
  init: true
  stop_grace_period: 1s
  volumes:
    - ./infra/topology.yaml:/watershed/infra/topology.yaml:ro
    - ./infra/docker/resolv.conf:/etc/resolv.conf:ro
    - token:/run/watershed:ro
`;

/** Makes the token of the admin API, at the first start, and ends. */
const token = `  token:
    <<: *confined
    image: watershed/origin:local
    entrypoint: [node, infra/docker/make-token.ts, ${tokenFile}]
    healthcheck: { disable: true }
    network_mode: none
    volumes:
      - token:/run/watershed
`;

function nodeService(
  node: TopologyNode,
  nodes: readonly TopologyNode[],
  attachments: ReadonlyMap<string, string>,
  ports: readonly PublishedPort[],
  volumes: string,
): string {
  const published = ports.flatMap(({ port, target, protocols }) =>
    protocols.map((protocol) => `"127.0.0.1:${port}:${target}/${protocol}"`),
  );
  return `  ${composeName(node.name)}:
    <<: *${node.service === "l4-forwarder" ? "l4-forwarder" : "confined"}
    image: watershed/${node.service}:local
    command: [--topology, infra/topology.yaml, --plan, containers, --node, ${node.name}]
    environment: { WATERSHED_ADMIN_TOKEN_FILE: ${tokenFile}, WATERSHED_ADMIN_ADDRESS: "${node.admin}" }
    labels: { watershed.node: ${node.name} }
    ports: [${published.join(", ")}]
${volumes}    networks:
${attachmentLines(attachments)}
    depends_on:
      token: *completed
${askedBy(node, nodes)
  .map((name) => `      ${composeName(name)}: *healthy\n`)
  .join("")}`;
}

/** Beside those of every node: of name servers the folder of a geo database of one's own. The folder, not the file, so that
 * one that takes the file's place is seen by a reload. */
function volumesOf({ geo: { database } }: Topology, { service }: TopologyNode): string {
  if (service !== "geodns" || database === "builtin") return "";
  const folder = path.dirname(database);
  const source = path.isAbsolute(folder) ? folder : `./${folder}`;
  return `    volumes:
${commonVolumes.map((volume) => `      - ${volume}\n`).join("")}      - { type: bind, source: ${JSON.stringify(source)}, target: ${geoFolder}, read_only: true }
`;
}

/** Names of the nodes that a node asks: it starts when they are healthy. */
function askedBy({ service, region, zone }: TopologyNode, nodes: readonly TopologyNode[]): string[] {
  const of = (tier: string, place?: (node: TopologyNode) => boolean) =>
    nodes.filter((node) => node.service === tier && (!place || place(node))).map(({ name }) => name);
  if (service === "origin") return [];
  if (service === "l4-forwarder") return of("origin", (node) => node.zone === zone);
  if (service === "l7-router") return of("l4-forwarder", (node) => node.region === region);
  return of("l7-router");
}

function clientServices(topology: Topology, nodes: readonly TopologyNode[]): string[] {
  const countries = Object.entries(topology.testClients).flatMap(([country, code]) =>
    clientsAtOnce.includes(country) || moreClients.includes(country) ? [{ country, code }] : [],
  );
  const nameServers = nodes.filter(({ service }) => service === "geodns");
  return countries.map(
    ({ country, code }) => `  client-${country.toLowerCase()}:
    <<: *client${clientsAtOnce.includes(country) ? "" : "\n    profiles: [countries]"}
    hostname: client-${country.toLowerCase()}
    environment: { WATERSHED_ADMIN_TOKEN_FILE: ${tokenFile} }
    networks:
${attachmentLines(clientAttachments(topology, code))}
    depends_on:
${nameServers.map(({ name }) => `      ${composeName(name)}: *healthy\n`).join("")}`,
  );
}

/** Load generators, each in the network of a client: what it sends is that client's. */
function loadServices({ testClients }: Topology): string[] {
  const there = clientsAtOnce.filter((country) => Object.hasOwn(testClients, country));
  return there.map(
    (country) => `  load-${country.toLowerCase()}:
    <<: *client
    profiles: [chaos]
    command: [node, infra/cli/main.ts, load, --from, ${country}, /api/users]
    environment: { WATERSHED_ADMIN_TOKEN_FILE: ${tokenFile} }
    network_mode: service:client-${country.toLowerCase()}
    depends_on: [client-${country.toLowerCase()}]
`,
  );
}

function networkText({ key, subnet, gateway, internal, purpose }: ContainerNetwork): string {
  return `  # ${purpose}
  ${key}:
    name: watershed-${key}${internal ? "\n    internal: true" : ""}
    ipam: { config: [{ subnet: ${subnet}, gateway: ${gateway} }] }
`;
}
