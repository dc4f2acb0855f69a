import { UsageError } from "#shared/core/error.ts";
import type { ControlRequest } from "./control.ts";
import { endAll, startNode } from "./spawn.ts";
import type { SpawnOptions, StackProcess } from "./spawn.ts";

const restartLimitMs = 2_000; // it is ended in order to be well again, not to finish what it does

export interface RosterOptions extends SpawnOptions {
  /** From then on nobody is started any more. */
  readonly stopping: AbortSignal;
  /** A process took the place of one that had ended. */
  onStarted(process: StackProcess): void;
}

/** The processes of a stack that is up, one a node. All of them are children of this process: they end with it. */
export class Roster {
  #processes: readonly StackProcess[];
  readonly #options: RosterOptions;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(processes: readonly StackProcess[], options: RosterOptions) {
    this.#processes = processes;
    this.#options = options;
  }

  get processes(): readonly StackProcess[] {
    return this.#processes;
  }

  /** Starts a node again; `start` leaves one alone that runs. One request after the other.
   * @throws {UsageError} for a node that is none of this stack, or while the stack is ending */
  handle(request: ControlRequest): Promise<StackProcess> {
    const done = this.#turn.then(() => this.#handleNow(request));
    this.#turn = done.catch(() => {}); // Whoever asked is told.
    return done;
  }

  async #handleNow(request: ControlRequest): Promise<StackProcess> {
    const before = this.#processes.find(({ node }) => node.name === request.node);
    if (!before) throw new UsageError(`there is no node ${request.node} here`);
    if (request.do === "restart") await endAll([before], restartLimitMs);
    if (!before.exit) return before;
    if (this.#options.stopping.aborted) throw new UsageError("the stack is ending");
    const started = startNode(before.node, { ...this.#options, keepLog: true });
    this.#processes = this.#processes.map((one) => (one === before ? started : one));
    this.#options.onStarted(started);
    return started;
  }
}
