import type { HeaderList } from "./headers.ts";

const informationsMax = 16; // 1xx answers passed on for one request: hints of a page, or a few minutes of 102s
const informationBytesMax = 65_536; // of their headers: as much as the head of an answer may have

/** Which of the 1xx answers to one request go on to the client. Beyond a 100 they are hints: those that are too many, or
 * that the client is too slow for, are dropped. */
export class Informations {
  #count = 0;
  #bytes = 0;
  #isToldToContinue = false;

  /** @param clientIsBusy it has yet to take what was sent before */
  admits(status: number, headers: HeaderList, clientIsBusy: boolean): boolean {
    if (status === 100) {
      const isFirst = !this.#isToldToContinue;
      this.#isToldToContinue = true;
      return isFirst;
    }
    this.#count++;
    for (const text of headers) this.#bytes += text.length;
    return this.#count <= informationsMax && this.#bytes <= informationBytesMax && !clientIsBusy;
  }
}
