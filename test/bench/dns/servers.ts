import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { loadCore, serverCore } from "../programs.ts";

/** Our name server and those that it is measured beside: the same dnsZone, the same database, the same two regions. */

export const host = "127.0.0.1";
const euWest = ["192.0.2.1", "192.0.2.2"];
const usEast = ["198.51.100.1", "198.51.100.2"];
const euWest6 = ["2001:db8:1::1", "2001:db8:1::2"];
const usEast6 = ["2001:db8:2::1", "2001:db8:2::2"];

export interface DnsServer {
  readonly name: string;
  /** To be looked for on the PATH; none for those of Node. */
  readonly program: string | undefined;
  readonly port: number;
  /** As taskset takes them; default: the one for servers. */
  readonly cores?: string;
  /** Writes its config into a folder of its own. @returns how it is started */
  prepare(folder: string, database: string): Promise<readonly string[]>;
}

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../../..");

export const ours = watershed("watershed", 5411, 1, String(serverCore));

/** On both cores, one of which the load has too: what they answer together is no measure, what a query costs them is. */
const twoWorkers = watershed("watershed, 2 workers", 5416, 2, `${serverCore},${loadCore}`);

function watershed(name: string, port: number, workers: number, cores: string): DnsServer {
  return {
    name,
    program: undefined,
    port,
    cores,
    async prepare(folder, database) {
      const file = await write(folder, "geodns.yaml", stringify(watershedConfig(port, database, workers)));
      return [process.execPath, path.join(root, "services/geodns/main.ts"), "--config", file];
    },
  };
}

function watershedConfig(port: number, database: string, workers: number) {
  const region = (v4: readonly string[], v6: readonly string[]) => ({ addresses: [...v4, ...v6] });
  return {
    listen: [`${host}:${port}`],
    ...(workers === 1 ? {} : { workers }),
    geo: { database },
    regions: { "eu-west": { location: [53.35, -6.26] }, "us-east": { location: [38.95, -77.45] } },
    steering: {
      countries: { BR: ["us-east", "eu-west"] },
      continents: {
        EU: ["eu-west", "us-east"],
        AF: ["eu-west", "us-east"],
        NA: ["us-east", "eu-west"],
        SA: ["us-east", "eu-west"],
      },
      default: ["eu-west", "us-east"],
    },
    services: {
      web: { ttl: "10s", regions: { "eu-west": region(euWest, euWest6), "us-east": region(usEast, usEast6) } },
    },
    dnsZones: {
      "stream.test": {
        soa: { primary: "ns1", contact: "hostmaster" },
        records: {
          "@": { NS: ["ns1", "ns2"] },
          ns1: { A: ["127.53.0.1"] },
          ns2: { A: ["127.53.0.2"] },
          www: { geo: "web" },
          static: { A: ["192.0.2.10"] },
        },
      },
    },
  };
}

/** Fixed bytes to whoever sends some: what node:dgram can do at all. */
const echo: DnsServer = {
  name: "dgram echo",
  program: undefined,
  port: 5412,
  prepare(_folder, _database) {
    return Promise.resolve([process.execPath, path.join(here, "echo.ts"), host, String(this.port)]);
  },
};

const gdnsd: DnsServer = {
  name: "gdnsd",
  program: "gdnsd",
  port: 5413,
  async prepare(folder, database) {
    const map = { EU: "[eu, us]", AF: "[eu, us]", NA: "[us, eu]", SA: "[us, eu]" };
    const rules = Object.entries(map).map(([continent, list]) => `${continent} => ${list}`);
    await write(
      folder,
      "config",
      `options => { listen => [ ${host}:${this.port} ], udp_threads => 1, tcp_threads => 1, run_dir => ${folder}, state_dir => ${folder}, max_edns_response => 1232 }
plugins => { geoip => {
  maps => { world => { geoip2_db => ${database}, datacenters => [eu, us], map => { default => [eu, us], ${rules.join(", ")} } } }
  resources => { web => { map => world, dcmap => { eu => { addrs_v4 => [${euWest.join(", ")}], addrs_v6 => [${euWest6.join(", ")}] }, us => { addrs_v4 => [${usEast.join(", ")}], addrs_v6 => [${usEast6.join(", ")}] } } } }
} }
`,
    );
    await write(path.join(folder, "zones"), "stream.test", `$TTL 300\n${zoneLines("DYNA geoip!web")}`);
    return ["gdnsd", "-c", folder, "start"];
  },
};

const powerdns: DnsServer = {
  name: "PowerDNS",
  program: "pdns_server",
  port: 5414,
  async prepare(folder, database) {
    const records = (v4: readonly string[], v6: readonly string[]) => [
      ...v4.map((content) => ({ a: content })),
      ...v6.map((content) => ({ aaaa: content })),
    ];
    const zone = {
      domains: [
        {
          domain: "stream.test",
          ttl: 300,
          records: {
            "stream.test": [
              { soa: "ns1.stream.test hostmaster.stream.test 1 3600 600 604800 30" },
              { ns: "ns1.stream.test" },
              { ns: "ns2.stream.test" },
            ],
            "ns1.stream.test": [{ a: "127.53.0.1" }],
            "ns2.stream.test": [{ a: "127.53.0.2" }],
            "static.stream.test": [{ a: "192.0.2.10" }],
            "eu.stream.test": records(euWest, euWest6),
            "af.stream.test": records(euWest, euWest6),
            "as.stream.test": records(euWest, euWest6),
            "oc.stream.test": records(euWest, euWest6),
            "unknown.stream.test": records(euWest, euWest6),
            "na.stream.test": records(usEast, usEast6),
            "sa.stream.test": records(usEast, usEast6),
          },
          services: { "www.stream.test": ["%cn.stream.test", "unknown.stream.test"] },
        },
      ],
    };
    const zones = await write(folder, "zones.yaml", stringify(zone));
    await write(
      folder,
      "pdns.conf",
      `launch=geoip
geoip-database-files=mmdb:${database}
geoip-zones-file=${zones}
local-address=${host}
local-port=${this.port}
edns-subnet-processing=yes
receiver-threads=1
distributor-threads=1
socket-dir=${folder}
guardian=no
daemon=no
disable-syslog=yes
loglevel=1
webserver=no
api=no
setuid=
setgid=
`,
    );
    return ["pdns_server", `--config-dir=${folder}`];
  },
};

/** The plain server of the dns2 package with maxmind, as its documentation shows it. */
const dns2: DnsServer = {
  name: "dns2 + maxmind",
  program: undefined,
  port: 5415,
  prepare(_folder, database) {
    return Promise.resolve([process.execPath, path.join(here, "plain-dns2.ts"), host, String(this.port), database]);
  },
};

export const dnsServers: readonly DnsServer[] = [ours, twoWorkers, echo, gdnsd, powerdns, dns2];

function zoneLines(steered: string): string {
  return [
    "@ SOA ns1 hostmaster 1 3600 600 604800 30",
    "@ NS ns1",
    "@ NS ns2",
    "ns1 A 127.53.0.1",
    "ns2 A 127.53.0.2",
    `www 10 ${steered}`,
    "static A 192.0.2.10",
    "",
  ].join("\n");
}

async function write(folder: string, name: string, content: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, name);
  await writeFile(file, content);
  return file;
}
