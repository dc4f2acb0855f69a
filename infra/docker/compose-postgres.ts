import { stringify } from "yaml";
import type { Topology } from "#shared/config/schema/topology.ts";
import { assert } from "#shared/core/error.ts";
import { formatDuration } from "#shared/core/duration.ts";
import { containerOctets } from "#shared/topology/plan.ts";
import { regionsOf, zonesOf } from "#shared/topology/places.ts";
import { attachmentLines, tokenFile } from "./compose-parts.ts";

const postgresPort = 5_432;
const adminPort = 7_900;
const host = 210; // last octet: free, as the servers of a zone are ports of its origin, and routers end at 32

/** The databases of the profile: all in the first region, a replica in each of its zones. */
interface Databases {
  readonly region: string;
  readonly primary: string;
  readonly replicas: readonly { readonly name: string; readonly address: string }[];
  readonly forwarders: readonly { readonly name: string; readonly address: string; readonly control: string }[];
}

function databasesOf(topology: Topology): Databases {
  const { firstOctet } = topology.containers;
  const [region] = regionsOf(topology);
  assert(region, "a topology has a region");
  const at = (third: number, fourth: number) =>
    `${firstOctet}.${containerOctets.regions + region.number}.${third}.${fourth}`;
  return {
    region: region.name,
    primary: at(0, host),
    replicas: zonesOf(region).map((zone) => ({
      name: `postgres-replica-${zone.name}`,
      address: at(zone.number, host),
    })),
    forwarders: [1, 2].map((i) => ({
      name: `postgres-l4-${i}`,
      address: at(0, host + i),
      control: `${firstOctet}.${containerOctets.control + region.number}.0.${host + i}`,
    })),
  };
}

/** Configs of the forwarders before the replicas: path in the repository → text. */
export function postgresForwarderConfigs(topology: Topology): ReadonlyMap<string, string> {
  const { replicas, forwarders } = databasesOf(topology);
  const { intervalMs, timeoutMs, fall, rise } = topology.health;
  return new Map(
    forwarders.map(({ name, address, control }) => {
      const config = {
        node: name,
        admin: `${control}:${adminPort}`,
        localAddress: address,
        listeners: [{ address: `${address}:${postgresPort}`, pool: "postgres" }],
        pools: {
          postgres: {
            balance: "least-connections",
            endpoints: replicas.map((replica) => ({
              name: replica.name,
              address: `${replica.address}:${postgresPort}`,
            })),
            health: {
              type: "tcp",
              interval: formatDuration(intervalMs),
              timeout: formatDuration(timeoutMs),
              fall,
              rise,
            },
            panicThreshold: 0,
          },
        },
      };
      return [configFile(name), `# Read replicas of PostgreSQL. Written by \`npm run compose\`.\n${stringify(config)}`];
    }),
  );
}

const configFile = (name: string): string => `infra/docker/postgres/${name}.yaml`;

export function postgresVolumes(topology: Topology): string[] {
  return ["postgres-primary", ...databasesOf(topology).replicas.map(({ name }) => name)];
}

export function postgresServices(topology: Topology): string[] {
  const databases = databasesOf(topology);
  const network = `region-${databases.region}`;
  const { replicas, forwarders, primary } = databases;
  return [
    databaseService("postgres-primary", "primary", new Map([[network, primary]]), "token: *completed"),
    ...replicas.map(({ name, address }) =>
      databaseService(name, `replica, ${primary}`, new Map([[network, address]]), "postgres-primary: *healthy"),
    ),
    ...forwarders.map(
      ({ name, address, control }) => `  ${name}:
    <<: *l4-forwarder
    profiles: [postgres]
    image: watershed/l4-forwarder:local
    command: [--config, infra/forwarder.yaml]
    environment: { WATERSHED_ADMIN_TOKEN_FILE: ${tokenFile}, WATERSHED_ADMIN_ADDRESS: "${control}:${adminPort}" }
    volumes:
      - ./${configFile(name)}:/watershed/infra/forwarder.yaml:ro
      - token:/run/watershed:ro
    networks:
${attachmentLines(
  new Map([
    [network, address],
    ["control", control],
  ]),
)}
    depends_on:
${replicas.map((replica) => `      ${replica.name}: *healthy\n`).join("")}`,
    ),
  ];
}

function databaseService(
  name: string,
  command: string,
  attachments: ReadonlyMap<string, string>,
  after: string,
): string {
  return `  ${name}:
    <<: *confined
    profiles: [postgres]
    image: watershed/postgres:local
    command: [${command}]
    volumes:
      - ${name}:/var/lib/postgresql/data
      - token:/run/watershed:ro
    networks:
${attachmentLines(attachments)}
    depends_on:
      ${after}
`;
}
