import { once } from "node:events";
import net from "node:net";
import { formatSocketAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import type { EventLog } from "#shared/observe/events.ts";

/** A TCP server whose connections a test handles itself. */
export class TcpServer implements AsyncDisposable {
  /** "address:port"; the same after a stop and a start. */
  readonly address: string;
  readonly sockets = new Set<net.Socket>();
  accepted = 0;
  readonly #onConnection: (socket: net.Socket) => void;
  #server: net.Server | undefined;

  private constructor(address: string, onConnection: (socket: net.Socket) => void) {
    this.address = address;
    this.#onConnection = onConnection;
  }

  /** @param host an own loopback address keeps a test apart from those that run beside it */
  static async start(onConnection: (socket: net.Socket) => void, host = "127.0.0.1"): Promise<TcpServer> {
    const probe = net.createServer().listen(0, host);
    await once(probe, "listening");
    const { port } = probe.address() as net.AddressInfo;
    probe.close();
    await once(probe, "close");
    return TcpServer.at(formatSocketAddress(host, port), onConnection);
  }

  static async at(address: string, onConnection: (socket: net.Socket) => void): Promise<TcpServer> {
    const server = new TcpServer(address, onConnection);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { host, port } = endOf(this.address);
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.accepted++;
      this.sockets.add(socket);
      socket.on("error", () => {}).on("close", () => this.sockets.delete(socket));
      this.#onConnection(socket);
    });
    this.#server = server.listen(port, host);
    await once(server, "listening");
  }

  /** Refuses from now on; open connections live on. */
  async stop(): Promise<void> {
    this.#server?.close();
    this.#server = undefined;
    await new Promise((resolve) => setImmediate(resolve)); // The kernel closes the port at the end of this turn.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await this.stop();
  }
}

/** Sends back what comes, and ends when the client has. */
export function echo(socket: net.Socket): void {
  socket.pipe(socket);
}

/** An echo server that first says who it is, in one line. */
export function greetAndEcho(name: string): (socket: net.Socket) => void {
  return (socket) => {
    socket.write(`${name}\n`);
    socket.pipe(socket);
  };
}

/** A connection that is open, allows half-open, and does not end the process by an error. */
export async function connect(address: string, localAddress = "127.0.0.1"): Promise<net.Socket> {
  const socket = net.connect({ ...endOf(address), localAddress, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return socket.on("error", () => {});
}

/** Under which a forwarder knows the connection of this client; ask while it is open. */
export function nameOf(client: net.Socket): string {
  return formatSocketAddress(client.localAddress ?? "", client.localPort ?? 0);
}

/** @returns the code of the error with which a connect fails; "" if it does not */
export function refusal(address: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(endOf(address));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("connect", () => {
      socket.destroy();
      resolve("");
    });
  });
}

/** Resolves when the socket is closed, also by an error. */
export function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.on("close", () => resolve());
  });
}

/** Everything that a socket receives, and how it ended. */
export function outcome(socket: net.Socket): Promise<{ bytes: Buffer; end: "end" | "reset" }> {
  const chunks: Buffer[] = [];
  let ended = false;
  return new Promise((resolve) => {
    const done = (end: "end" | "reset") => resolve({ bytes: Buffer.concat(chunks), end });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("end", () => {
      ended = true;
      done("end");
    });
    socket.on("close", () => done(ended ? "end" : "reset")).resume();
  });
}

/** Reads until this many bytes are there; what is behind them stays in the socket, which is left paused. */
export function read(socket: net.Socket, bytes: number): Promise<Buffer> {
  let got: Buffer = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error(`closed after ${got.length} of ${bytes} bytes: ${got.toString("latin1")}`));
    const onData = (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < bytes) return;
      socket.pause().off("data", onData).off("close", onClose).off("end", onClose);
      if (got.length > bytes) socket.unshift(got.subarray(bytes));
      resolve(got.subarray(0, bytes));
    };
    socket.on("data", onData).on("close", onClose).on("end", onClose).resume();
  });
}

/** One line, without its LF. */
export async function readLine(socket: net.Socket): Promise<string> {
  for (let line = ""; ;) {
    const byte = (await read(socket, 1)).toString("latin1");
    if (byte === "\n") return line;
    line += byte;
  }
}

/** The next event of this type whose data has these values; call it before what sets it off. */
export function nextEvent(
  events: EventLog,
  type: string,
  wanted: Readonly<Record<string, unknown>> = {},
): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve) => {
    const unsubscribe = events.subscribe((event) => {
      if (event.type !== type || !Object.entries(wanted).every(([key, value]) => event.data[key] === value)) return;
      unsubscribe();
      resolve(event.data);
    });
  });
}

function endOf(address: string): { host: string; port: number } {
  const end = parseSocketAddress(address);
  if (!end) throw new Error(`${address} is no address:port`);
  return end;
}
