import type { Engine } from "../engine.ts";
import { HttpProxyConnection } from "./connection.ts";
import { NodeAcceptor } from "./acceptor.ts";
import { createProxyServer } from "./load.ts";

/** The reference: node:http listens, http-proxy 1.18.1 sends the request. Connection, head, framing and the answer are ours
 * (see agent.ts), because as shipped it forwards hop-by-hop headers, sends chunked bodies of DELETE and OPTIONS unframed,
 * and hides a cut answer. */
export function createHttpProxyEngine(): Engine {
  const proxy = createProxyServer();
  return {
    name: "http-proxy",
    createAcceptor: (options) => new NodeAcceptor(options),
    adopt: (facts) => new HttpProxyConnection(facts, proxy),
  };
}
