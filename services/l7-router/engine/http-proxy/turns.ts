const waitingMax = 128; // pipelined requests behind the one under way
const waitingBytesMax = 65_536; // of their heads; what one client may make us hold

/** Requests of one connection are served one after the other, so that pipelined ones are answered in order and none
 * overtakes a change that the one before it makes. @see RFC 9112 §9.3.2 */
export class Turns {
  readonly #waiting: { readonly start: () => Promise<void>; readonly bytes: number }[] = [];
  #waitingBytes = 0;
  #isBusy = false;
  #isClosed = false;
  #isOverrun = false;

  /** The connection ends after what is under way: nothing further is taken. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Requests behind this one were turned away: its answer ends the connection, and the client sends them again. */
  get isLast(): boolean {
    return this.#isOverrun && this.#waiting.length === 0;
  }

  /** Starts it now, in this very call, or when those before it have ended.
   * @param bytes that it holds while it waits
   * @returns false if there is no room */
  take(start: () => Promise<void>, bytes: number): boolean {
    const isFull = this.#waiting.length >= waitingMax || this.#waitingBytes > waitingBytesMax;
    if (isFull) this.#isOverrun = true;
    if (this.#isClosed || this.#isOverrun) return false;
    if (this.#isBusy) {
      this.#waiting.push({ start, bytes });
      this.#waitingBytes += bytes;
    } else void this.#run(start);
    return true;
  }

  async #run(start: () => Promise<void>): Promise<void> {
    this.#isBusy = true;
    await start();
    this.#isBusy = false;
    const next = this.#waiting.shift();
    if (!next) return;
    this.#waitingBytes -= next.bytes;
    void this.#run(next.start);
  }
}
