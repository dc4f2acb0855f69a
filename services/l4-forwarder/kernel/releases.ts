import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import { markOf } from "./plan/ruleset.ts";
import type { KernelServer, KernelTable } from "./plan/model.ts";
import type { RunProgram } from "./program.ts";
import type { KernelListener } from "./table.ts";

const atOnceMax = 256; // servers let go in one round; each costs a run of conntrack

/** Makes the kernel forget connections of servers that are out: those that still wait for an answer to their SYN, so that
 * the client's next one goes elsewhere; datagrams, which know no connection; and all others where the listener says so. */
export class Releases {
  readonly #run: RunProgram;
  /** Who was out already. */
  #out = new WeakSet<Endpoint>();

  constructor(run: RunProgram) {
    this.#run = run;
  }

  /** Call after the slots are changed: what is forgotten is decided anew. */
  async follow(table: KernelTable, listeners: readonly KernelListener[]): Promise<void> {
    const out = new WeakSet<Endpoint>();
    const commands: string[][] = [];
    for (const [i, service] of table.services.entries()) {
      const listener = listeners[i];
      const endpoints = new Map(listener?.pool.endpoints.map((endpoint) => [endpoint.id, endpoint]));
      for (const server of service.servers) {
        const endpoint = endpoints.get(server.address);
        if (!listener || !endpoint || endpoint.eligible) continue;
        out.add(endpoint);
        if (this.#out.has(endpoint) || endpoint.standing.state === "unknown") continue;
        commands.push(...this.#commands(table, server, service.protocol, listener, endpoint));
      }
    }
    this.#out = out;
    for (const command of commands.slice(0, atOnceMax)) await this.#run("conntrack", command);
  }

  #commands(
    table: KernelTable,
    server: KernelServer,
    protocol: "tcp" | "udp",
    { config }: KernelListener,
    { standing }: Endpoint,
  ): string[][] {
    const mark = markOf(table, server);
    if (protocol === "udp") return [["-D", "-p", "udp", "--mark", mark]];
    if (config.onDown === "reset" && standing.state === "down") return [["-D", "-p", "tcp", "--mark", mark]];
    return [["-D", "-p", "tcp", "--state", "SYN_SENT", "--mark", mark]];
  }

  /** Everything that carries such a mark. */
  async all(markFilter: string): Promise<void> {
    await this.#run("conntrack", ["-D", "--mark", markFilter]);
  }
}
