import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { stringify } from "yaml";
import { PinnedServer, loadCore } from "../programs.ts";

/** Our forwarder in both modes and those that it is measured beside: one TCP and one UDP listener, before the same two servers. */

const servers = { tcp: "127.0.0.11:9000", udp: "127.0.0.11:5353" } as const;
const fileBytes = 64 * 1_048_576;
const root = path.resolve(import.meta.dirname, "../../..");

export interface Forwarder {
  readonly name: string;
  /** To be looked for on the PATH. */
  readonly program: string | undefined;
  /** "address:port" that the load asks. */
  readonly tcp: string;
  /** Undefined where it does not carry UDP. */
  readonly udp: string | undefined;
  /** Starts it on a core; undefined where there is nothing to start. */
  start(folder: string, core: string): Promise<PinnedServer | undefined>;
}

const at = { tcp: "127.0.0.5:7001", udp: "127.0.0.5:7053" } as const;

const direct: Forwarder = {
  name: "no forwarder",
  program: undefined,
  tcp: servers.tcp,
  udp: servers.udp,
  start: () => Promise.resolve(undefined),
};

function watershed(mode: "userspace" | "kernel"): Forwarder {
  return {
    name: `watershed ${mode}`,
    program: mode === "kernel" ? "nft" : undefined,
    ...at,
    async start(folder, core) {
      const pools = Object.fromEntries(
        Object.entries(servers).map(([name, address]) => [name, { endpoints: [{ address }] }]),
      );
      const listeners = (["tcp", "udp"] as const).map((protocol) => ({
        address: at[protocol],
        protocol,
        pool: protocol,
      }));
      const file = await write(folder, "l4-forwarder.yaml", stringify({ mode, listeners, pools }));
      return new PinnedServer([process.execPath, path.join(root, "services/l4-forwarder/main.ts"), "--config", file], {
        core,
      });
    },
  };
}

export const ours = watershed("kernel").name;

function haproxy(name: string, options: string): Forwarder {
  return {
    name,
    program: "haproxy",
    tcp: at.tcp,
    udp: undefined,
    async start(folder, core) {
      const text = `global
  maxconn 7000
  nbthread 1
defaults
  mode tcp
  timeout connect 1s
  timeout client 5m
  timeout server 5m
${options}
listen web
  bind ${at.tcp}
  balance roundrobin
  server web-1 ${servers.tcp}
`;
      return new PinnedServer(["haproxy", "-db", "-f", await write(folder, "haproxy.cfg", text)], { core });
    },
  };
}

const nginx: Forwarder = {
  name: "nginx stream",
  program: "nginx",
  ...at,
  async start(folder, core) {
    const text = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log crit;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events { worker_connections 18000; }
stream {
  server { listen ${at.tcp} backlog=1024; tcp_nodelay on; proxy_pass ${servers.tcp}; }
  server { listen ${at.udp} udp; proxy_pass ${servers.udp}; proxy_timeout 30s; }
}
`;
    return new PinnedServer(["nginx", "-c", await write(folder, "nginx.conf", text), "-p", folder], { core });
  },
};

export const forwarders: readonly Forwarder[] = [
  direct,
  watershed("kernel"),
  watershed("userspace"),
  haproxy("haproxy", ""),
  haproxy("haproxy splice", "  option splice-auto"),
  nginx,
];

/** The servers behind every forwarder, on the core of the load: nginx over HTTP, gdnsd over UDP. */
export async function startServers(folder: string): Promise<PinnedServer[]> {
  await mkdir(path.join(folder, "www"), { recursive: true });
  await writeFile(path.join(folder, "www/small"), "x".repeat(512));
  await writeFile(path.join(folder, "www/large"), Buffer.alloc(fileBytes));
  const web = `daemon off; master_process off; pid ${folder}/web.pid; error_log ${folder}/web.log crit;
events { worker_connections 18000; }
http {
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 1h; types { } default_type text/plain;
  server { listen ${servers.tcp} backlog=4096; root ${folder}/www; }
}
`;
  const dns = path.join(folder, "gdnsd");
  await write(
    dns,
    "config",
    `options => { listen => [ ${servers.udp} ], udp_threads => 1, tcp_threads => 1, run_dir => ${dns}, state_dir => ${dns} }`,
  );
  await write(
    path.join(dns, "zones"),
    "stream.test",
    "@ SOA ns1 hostmaster 1 3600 600 604800 30\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.2\n",
  );
  const core = String(loadCore);
  return [
    new PinnedServer(["nginx", "-c", await write(folder, "web.conf", web), "-p", folder], { core }),
    new PinnedServer(["gdnsd", "-c", dns, "start"], { core }),
  ];
}

async function write(folder: string, name: string, text: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, name);
  await writeFile(file, text);
  return file;
}
