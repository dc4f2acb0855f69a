import { randomUUID } from "node:crypto";
import http from "node:http";
import { Pool } from "undici";
import { otherPaths } from "./peers.ts";

// A small proxy of node:http and undici, the fastest client there is for Node, with the routes and headers of the others.
const [proxyPort = "", backendPort = ""] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${backendPort}`, { connections: 128 });
const routes = [...otherPaths.map((path) => ({ prefix: `/${path}/`, pool })), { prefix: "/", pool }];

http
  .createServer((request, response) => {
    const { connection: _, ...headers } = request.headers;
    const { url = "/", method = "GET" } = request;
    const id = randomUUID();
    const route = routes.find(({ prefix }) => url.startsWith(prefix));
    route?.pool.stream(
      {
        path: url,
        method,
        headers: {
          ...headers,
          "x-forwarded-for": request.socket.remoteAddress ?? "",
          "x-forwarded-proto": "http",
          "x-forwarded-host": headers.host ?? "",
          "x-request-id": id,
          via: "1.1 undici",
        },
        body: method === "GET" || method === "HEAD" ? null : request,
      },
      ({ statusCode, headers: answered }) => {
        const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...kept } = answered;
        response.writeHead(statusCode, { ...kept, via: "1.1 undici", "x-request-id": id });
        return response;
      },
      (error) => void (error && response.destroy()),
    );
  })
  .listen({ port: Number(proxyPort), host: "127.0.0.1", backlog: 4_096 });
