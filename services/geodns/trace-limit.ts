/** Anybody may ask for a decision to be recorded, and one costs as much as fifty answers. Of one person who looks for a cause far
 * fewer come; a flood of them must neither take the time of others nor push what they have recorded out. */
export const tracesPerSecondMax = 100;

/** How many decisions are recorded in a second. What is over is answered as if it had not asked for that. */
export class TraceLimit {
  #second = 0;
  #taken = 0;

  /** @param nowSeconds whole
   * @returns false if it is one too many */
  take(nowSeconds: number): boolean {
    if (nowSeconds !== this.#second) {
      this.#second = nowSeconds;
      this.#taken = 0;
    }
    return ++this.#taken <= tracesPerSecondMax;
  }
}
