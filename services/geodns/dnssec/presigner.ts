import { messageOf } from "#shared/core/error.ts";
import type { Host } from "#shared/server/service.ts";
import type { Snapshot } from "../snapshot.ts";
import type { SignedAnswers } from "./signed-answers.ts";

const sliceMs = 0.5; // queries wait no longer than this and one signature more
// As many as there are signatures kept. What a larger dnsZone has beyond is signed when it is first asked for.
const answersMax = 65_536;

type Log = Pick<Host["log"], "error">;

/** Signs the answers of a snapshot in advance, in slices between queries. Until it is through, what it has not come to is
 * signed when it is asked for. */
export class Presigner {
  readonly #answers: SignedAnswers;
  readonly #log: Log;
  readonly #now: () => number;
  #next: NodeJS.Immediate | undefined;
  /** The last snapshot is signed, as far as it is signed in advance. */
  isThrough = true;

  /** @param now seconds since 1970 */
  constructor(answers: SignedAnswers, log: Log, now = () => Math.floor(Date.now() / 1_000)) {
    this.#answers = answers;
    this.#log = log;
    this.#now = now;
  }

  /** Begins anew with this snapshot. What is signed and not due costs a look. */
  start(snapshot: Snapshot): void {
    this.stop();
    if (snapshot.signers.size === 0) return;
    this.isThrough = false;
    const steps = this.#answers.prepare(snapshot, this.#now(), answersMax);
    this.#next = setImmediate(() => this.#work(steps));
  }

  stop(): void {
    clearImmediate(this.#next);
  }

  #work(steps: Generator<void>): void {
    const endMs = performance.now() + sliceMs;
    try {
      while (performance.now() < endMs)
        if (steps.next().done) {
          this.isThrough = true;
          return;
        }
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, "presigning_failed"); // the next snapshot tries again
      return;
    }
    this.#next = setImmediate(() => this.#work(steps));
  }
}
