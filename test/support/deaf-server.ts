import { once } from "node:events";
import net from "node:net";
import { Worker } from "node:worker_threads";

// Listens with the shortest queue, says where, and then blocks its event loop: nothing is ever accepted.
const code = `
  const net = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = net.createServer().listen({ port: 0, host: workerData.host, backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setImmediate(() => Atomics.wait(new Int32Array(workerData.ended), 0, 0));
  });
`;
const queueLength = 8; // connections that fill a queue of one on every kernel

/** A server whose queue is full: a connect to it is neither accepted nor refused. Linux drops the SYN. */
export class DeafServer implements AsyncDisposable {
  readonly address: string;
  readonly #worker: Worker;
  readonly #ended: SharedArrayBuffer;
  readonly #queued: readonly net.Socket[];

  private constructor(address: string, worker: Worker, ended: SharedArrayBuffer, queued: readonly net.Socket[]) {
    this.address = address;
    this.#worker = worker;
    this.#ended = ended;
    this.#queued = queued;
  }

  static async start(host: string): Promise<DeafServer> {
    const ended = new SharedArrayBuffer(4);
    const worker = new Worker(code, { eval: true, workerData: { host, ended } });
    const [port] = (await once(worker, "message")) as [number];
    const queued = Array.from({ length: queueLength }, () => net.connect({ host, port }).on("error", () => {}));
    await Promise.any(queued.map((socket) => once(socket, "connect")));
    return new DeafServer(`${host}:${port}`, worker, ended, queued);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#queued) socket.destroy();
    Atomics.store(new Int32Array(this.#ended), 0, 1);
    Atomics.notify(new Int32Array(this.#ended), 0);
    await this.#worker.terminate();
  }
}
