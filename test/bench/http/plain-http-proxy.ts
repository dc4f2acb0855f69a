import http from "node:http";
import { createRequire } from "node:module";
import type httpProxy from "http-proxy";

// The http-proxy package as it comes, with X-Forwarded-*; "keep-alive" keeps its connections to the backend.
const [proxyPort = "", backendPort = "", keepAlive] = process.argv.slice(2);
const { createProxyServer } = createRequire(import.meta.url)("http-proxy") as typeof httpProxy;
const agent = keepAlive === undefined ? {} : { agent: new http.Agent({ keepAlive: true, maxSockets: 128 }) };
const proxy = createProxyServer({ target: `http://127.0.0.1:${backendPort}`, xfwd: true, ...agent });
proxy.on("error", (_error, _request, response) => void response.end());
http
  .createServer((request, response) => proxy.web(request, response))
  .listen({ port: Number(proxyPort), host: "127.0.0.1", backlog: 4_096 });
