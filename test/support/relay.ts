import { once } from "node:events";
import net from "node:net";
import type { AddressInfo } from "node:net";

/** Passes bytes on to a server, until the line is cut. */
export interface Relay extends AsyncDisposable {
  /** The URL of the server, at the relay's own address. */
  readonly url: string;
  /** Breaks all connections, and every new one, until `join`. */
  cut(): void;
  join(): void;
}

/** Starts a relay on a free port of 127.0.0.1, to the host and port of that URL. */
export async function startRelay(target: string): Promise<Relay> {
  const { hostname, port, pathname } = new URL(target);
  const sockets = new Set<net.Socket>();
  let isCut = false;
  const server = net.createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    const onward = net.connect(Number(port), hostname);
    for (const [one, other] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => one.destroy()); // Whoever breaks it, both ends close.
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const cutAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${pathname}`,
    cut() {
      isCut = true;
      cutAll();
    },
    join() {
      isCut = false;
    },
    async [Symbol.asyncDispose]() {
      cutAll();
      server.close();
      await once(server, "close");
    },
  };
}
