import { readFileSync } from "node:fs";
import type net from "node:net";

const ownDescriptors = 32; // node itself holds about 20, the others are listeners and files
const reservedShare = 1 / 8; // checks, kept upstream connections, the admin API
const perConnection = 2; // of a proxy: one to the client, one to the server

/** How many connections a process may accept so that its file descriptors suffice.
 * @param limits text of /proc/self/limits; node has raised the soft limit to the hard one by then */
export function connectionsMaxOf(limits: string): number {
  const descriptors = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  return Math.max(1, Math.floor((descriptors * (1 - reservedShare) - ownDescriptors) / perConnection));
}

/** A bound on the connections that several servers have accepted together. One more is closed at once. */
export class ConnectionLimit {
  readonly max: number;
  #open = 0;

  constructor(max: number) {
    this.max = max;
  }

  guard(server: net.Server): void {
    server.on("connection", (socket) => {
      this.#open++;
      socket.once("close", () => this.#open--);
    });
    // Node asks at every accept, and then emits 'drop'. Its own number knows one server only.
    const maxConnections = () => (this.#open < this.max ? Number.POSITIVE_INFINITY : 0);
    Object.defineProperty(server, "maxConnections", { get: maxConnections });
  }
}

/** Of all listeners that take traffic. */
export const trafficLimit = new ConnectionLimit(connectionsMaxOf(readLimits()));

/** "" where there is no /proc: no limit is known. */
function readLimits(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
