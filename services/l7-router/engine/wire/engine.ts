import type { Engine } from "../engine.ts";
import { WireAcceptor } from "./acceptor.ts";
import { WireServer } from "./server.ts";

/** Our own HTTP/1.1 over raw sockets: no stream, promise or timer of its own for a request. */
export function createWireEngine(): Engine {
  return {
    name: "wire",
    createAcceptor: (options) => new WireAcceptor(options),
    adopt: (facts) => new WireServer(facts),
  };
}
