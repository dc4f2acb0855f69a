import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";

/** A server of a fleet: answers after a while, and can be taken away and made ill. */
export class FleetServer implements AsyncDisposable {
  readonly address: string;
  answered = 0;
  /** Before each answer. */
  delayMs = 0;
  /** It takes requests and says nothing. */
  isMute = false;
  /** What /health answers. */
  healthStatus = 200;
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    this.address = `127.0.0.1:${port}`;
    server.on("request", (request: http.IncomingMessage, response: http.ServerResponse) => {
      request.resume();
      if (this.isMute) return;
      if (request.url === "/health") return void response.writeHead(this.healthStatus).end();
      const answer = () => {
        this.answered++;
        response.writeHead(200, { "x-server": this.address }).end("ok");
      };
      if (this.delayMs === 0) answer();
      else setTimeout(answer, this.delayMs);
    });
  }

  static async start(): Promise<FleetServer> {
    const server = http.createServer({ keepAliveTimeout: 60_000 }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FleetServer(server);
  }

  /** As when the process dies: connections are reset, new ones refused. */
  crash(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.crash();
  }
}

const workers = 8;
const recentMax = 200; // answers whose shares are told

/** Requests one after the other on a few kept connections, until it is disposed. */
export class HttpLoad implements AsyncDisposable {
  /** Of answers that were not 200, and of requests without an answer. */
  readonly failures: string[] = [];
  answered = 0;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: workers });
  readonly #recent: string[] = [];
  readonly #done: Promise<unknown>;
  #isOver = false;

  constructor(address: string) {
    const [host, port] = address.split(":");
    const options = { host, port, agent: this.#agent };
    this.#done = Promise.all(Array.from({ length: workers }, () => this.#work(options)));
  }

  /** Share of the latest answers, 0 to 1. */
  shareOf({ address }: FleetServer): number {
    return this.#recent.filter((server) => server === address).length / Math.max(1, this.#recent.length);
  }

  async #work(options: http.RequestOptions): Promise<void> {
    while (!this.#isOver) {
      const [status, server] = await get(options);
      if (status !== "200") this.failures.push(status);
      this.answered++;
      this.#recent.push(server);
      if (this.#recent.length > recentMax) this.#recent.shift();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#done;
    this.#agent.destroy();
  }
}

function get(options: http.RequestOptions): Promise<[status: string, server: string]> {
  return new Promise((resolve) => {
    const request = http.get(options, (response) => {
      response.resume();
      response.on("error", (error) => resolve([error.message, ""]));
      response.on("end", () => resolve([String(response.statusCode), String(response.headers["x-server"] ?? "")]));
    });
    request.on("error", (error) => resolve([error.message, ""]));
  });
}
