/** Configs of the servers under test: the same routes, forwarding headers and kept-alive connections for each. */

/** Paths that come before the one that is asked for, so that every server has a table to look through. */
export const otherPaths = [
  "api/orders",
  "images",
  "static",
  "admin",
  "live",
  "auth",
  "search",
  "cart",
  "events",
  "feed",
];

export interface Ports {
  /** Where the proxy listens, and the backend. */
  readonly proxy: number;
  readonly backend: number;
}

export function nginxBackend({ backend }: Ports, folder: string): string {
  return `worker_processes 1;
daemon off;
pid ${folder}/backend.pid;
error_log stderr crit;
events { worker_connections 20000; }
http {
  access_log off;
  keepalive_requests 100000000;
  server {
    listen 127.0.0.1:${backend} backlog=4096;
    location / { default_type application/json; return 200 '{"id":42,"name":"watershed","plan":"pro","items":[1,2,3,4,5],"ok":true}'; }
    location /large { root ${folder}; }
  }
}
`;
}

export function nginxProxy({ proxy, backend }: Ports, folder: string): string {
  const other = otherPaths.map((path) => `    location /${path}/ { proxy_pass http://backend; }`).join("\n");
  return `worker_processes 1;
daemon off;
pid ${folder}/proxy.pid;
error_log stderr crit;
events { worker_connections 19000; }
http {
  access_log off;
  keepalive_requests 100000000;
  upstream backend { server 127.0.0.1:${backend}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${proxy} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header Via "1.1 nginx";
    add_header Via "1.1 nginx";
    add_header X-Request-Id $request_id;
${other}
    location / { proxy_pass http://backend; }
  }
}
`;
}

export function haproxy({ proxy, backend }: Ports): string {
  const other = otherPaths.map((path) => `  use_backend servers if { path_beg /${path}/ }`).join("\n");
  return `global
  nbthread 1
  fd-hard-limit 20000
  maxconn 9900
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 1s
frontend front
  bind 127.0.0.1:${proxy}
  option forwardfor
  unique-id-format %{+X}o%ci%cp%fi%fp%Ts%rt%pid
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 haproxy"
  http-response set-header Via "1.1 haproxy"
  http-response set-header X-Request-Id %[unique-id]
${other}
  default_backend servers
backend servers
  http-reuse always
  server one 127.0.0.1:${backend} maxconn 256
`;
}

/** As YAML takes it: JSON. */
export function router({ proxy, backend }: Ports, engine: "wire" | "http-proxy"): string {
  return JSON.stringify({
    listeners: [{ address: `127.0.0.1:${proxy}` }],
    engine,
    node: "bench",
    routes: [
      ...otherPaths.map((path) => ({ match: { path: `/${path}/*` }, pool: "servers" })),
      { match: { path: "/*" }, pool: "servers" },
    ],
    pools: { servers: { endpoints: [{ address: `127.0.0.1:${backend}` }], connectionMaxAge: "10m" } },
  });
}
