import type { Agent, ClientRequest } from "node:http";
import type { Socket } from "node:net";
import type { HeaderList } from "#l7-router/headers.ts";
import type { UpstreamRequest } from "../engine.ts";

const answerHeadBytesMax = 65_536; // four times what a client may send: servers set many cookies

/** What of node:http's ClientRequest is used beyond its types. `_storeHeader` takes the head as a flat list, which is the
 * only way to keep order, case and repeated lines as they came; the runtime is pinned and the contract suite holds it. */
interface Internals {
  maxHeaderSize: number;
  maxHeadersCount: number;
  _storeHeader(firstLine: string, headers: HeaderList): void;
}

/** An agent for one request on a connection that is already open. node:http hands it the request from inside its
 * constructor, before anything was written: here the head that http-proxy has put together is replaced by ours. */
export function createAgent(socket: Socket, request: UpstreamRequest, listen: (client: ClientRequest) => void): Agent {
  const agent = {
    keepAlive: true,
    maxSockets: Infinity,
    protocol: "http:",
    defaultPort: 80,
    addRequest(client: ClientRequest & Internals): void {
      for (const name of client.getHeaderNames()) client.removeHeader(name);
      // Told by name, node:http adds none of its own.
      for (const name of ["connection", "content-length", "transfer-encoding"]) client.removeHeader(name);
      client.maxHeaderSize = answerHeadBytesMax;
      client.maxHeadersCount = 0; // Not cut at 2,000 lines: the size is the bound.
      client.path = request.target;
      client._storeHeader(`${request.method} ${request.target} HTTP/1.1\r\n`, request.headers);
      listen(client);
      if (request.framing.kind !== "none") client.flushHeaders();
      client.onSocket(socket);
    },
  };
  return agent as unknown as Agent;
}
