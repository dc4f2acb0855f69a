import type { L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Endpoint, Standing } from "#shared/endpoint/endpoint.ts";
import { markOf } from "./plan/ruleset.ts";
import type { KernelTable } from "./plan/model.ts";
import type { RunProgram } from "./program.ts";
import type { KernelListener } from "./table.ts";

const atOnceMax = 256; // servers let go in one round; each costs a run of conntrack

/** What is forgotten of a server that is out, step by step; each step once. */
type Step = "waiting" | "all";

interface Out {
  /** Of its standing: who came back between two looks is out anew. */
  readonly sinceMs: number;
  done: Step | undefined;
}

/** Makes the kernel forget connections of servers that are out: those that still wait for an answer to their SYN, so that
 * the client's next one goes elsewhere; datagrams, which know no connection; and all others where the listener says so. */
export class Releases {
  readonly #run: RunProgram;
  /** By mark: what was done for a server that is out, and since when it is. */
  #out = new Map<string, Out>();

  constructor(run: RunProgram) {
    this.#run = run;
  }

  /** Call after the slots are changed, and each second: what is forgotten is decided anew. */
  async follow(table: KernelTable, listeners: readonly KernelListener[], nowMs: number): Promise<void> {
    const out = new Map<string, Out>();
    const commands: string[][] = [];
    for (const [i, service] of table.services.entries()) {
      const listener = listeners[i];
      const endpoints = new Map(listener?.pool.endpoints.map((endpoint) => [endpoint.id, endpoint]));
      for (const server of service.servers) {
        const endpoint = endpoints.get(server.address);
        if (!listener || !endpoint || endpoint.eligible || endpoint.standing.state === "unknown") continue;
        const mark = markOf(table, server);
        const { sinceMs } = endpoint;
        const before = this.#out.get(mark);
        const known = before?.sinceMs === sinceMs ? before : { sinceMs, done: undefined };
        out.set(mark, known);
        const step = stepFor(listener.config, endpoint, nowMs - sinceMs);
        if (step === known.done || known.done === "all" || commands.length >= atOnceMax) continue;
        known.done = step;
        commands.push(commandFor(step, service.protocol, mark));
      }
    }
    this.#out = out;
    for (const command of commands) await this.#run("conntrack", command);
  }

  /** Everything that carries such a mark. */
  async all(markFilter: string): Promise<void> {
    await this.#run("conntrack", ["-D", "--mark", markFilter]);
  }
}

function stepFor({ protocol, onDown, onDrain }: L4ListenerConfig, { standing }: Endpoint, outMs: number): Step {
  const { state }: Standing = standing;
  if (protocol === "udp") return "all";
  if (state === "down") return onDown === "reset" ? "all" : "waiting";
  if (state !== "draining" || onDrain === "keep") return "waiting";
  return onDrain === "reset" || outMs >= onDrain.finishWithinMs ? "all" : "waiting";
}

function commandFor(step: Step, protocol: "tcp" | "udp", mark: string): string[] {
  const waiting = step === "waiting" ? ["--state", "SYN_SENT"] : [];
  return ["-D", "-p", protocol, ...waiting, "--mark", mark];
}
