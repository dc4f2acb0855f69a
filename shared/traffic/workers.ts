import type { SentRequest } from "./connections.ts";
import type { Outcome } from "./tally.ts";

/** Who sends requests: a `Caller`. */
export interface Asks {
  /** Never rejects. */
  ask(request: SentRequest): Promise<Outcome>;
  close(): void;
}

export interface Worker {
  readonly caller: Asks;
  /** What it sends next. */
  next(): SentRequest;
}

/** Workers that each send one request after the other, until they are stopped. How many are under way is given; the rate is
 * what the stack makes of it.
 * @param pauseMs of each worker between two requests */
export function startWorkers(
  workers: readonly Worker[],
  pauseMs: number,
  onOutcome: (outcome: Outcome, worker: Worker) => void,
): { stop(): Promise<void> } {
  let over = false;
  const work = async (worker: Worker) => {
    while (!over) {
      onOutcome(await worker.caller.ask(worker.next()), worker);
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    worker.caller.close();
  };
  const all = workers.map(work);
  return {
    /** Resolves once what was under way has ended. */
    async stop() {
      over = true;
      await Promise.all(all);
    },
  };
}
