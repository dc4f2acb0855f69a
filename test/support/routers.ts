import http from "node:http";
import { listenServer } from "#shared/net/listen.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";

/** What a router of a region shows to a name server: only its /health. */
export class FakeRouter implements AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** What its next health answer is; `hang` gives none. */
  says: "ok" | "draining" | "error" | "hang" = "ok";
  /** The body of the answer. */
  body = "";
  /** Whom it answers an error, as if a part of the network were cut. */
  deafTo: string | undefined;
  /** Requests since the start. */
  requests = 0;
  readonly #server: http.Server;
  readonly #listener: TcpListener;

  private constructor(server: http.Server, listener: TcpListener) {
    const { host, port } = parseSocketAddress(listener.address)!;
    this.host = host;
    this.port = port;
    this.#server = server;
    this.#listener = listener;
  }

  static async start(host: string, port = 0): Promise<FakeRouter> {
    const server = http.createServer(({ socket }, response) => {
      router.requests++;
      if (router.says === "hang") return;
      if (router.says === "draining") response.setHeader("X-Watershed-Reason", "DRAINING");
      const isOk = router.says === "ok" && socket.remoteAddress !== router.deafTo;
      response.writeHead(isOk ? 200 : 503).end(router.body);
    });
    const router: FakeRouter = new FakeRouter(server, await listenServer(server, `${host}:${port}`));
    return router;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await this.#listener.close();
  }
}
