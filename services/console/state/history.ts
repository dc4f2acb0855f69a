import { gunzipSync, gzipSync } from "node:zlib";
import type { Sample, Snapshot } from "../model.ts";
import { Ring } from "./ring.ts";

const secondsKept = 600; // what may be scrubbed back
const everyMs = 1_000;

/** The last ten minutes: a sample and the whole snapshot of each second. Snapshots are kept packed: some 5 KB each, 20 KB with hundreds of
 * servers. */
export class History {
  readonly #kept = new Ring<{ readonly sample: Sample; readonly packed: Buffer }>(secondsKept);

  /** Keeps one a second.
   * @param text the snapshot as JSON */
  push({ sample }: Snapshot, text: string): void {
    const last = this.#kept.last?.sample.atMs ?? 0;
    if (sample.atMs - last < everyMs * 0.9) return;
    this.#kept.push({ sample, packed: gzipSync(text, { level: 1 }) });
  }

  samplesSince(id: number): readonly Sample[] {
    return this.#kept.items.filter(({ sample }) => sample.id > id).map(({ sample }) => sample);
  }

  /** @returns JSON of the snapshot that was the last at that moment */
  findAt(atMs: number): string | undefined {
    const found = this.#kept.items.findLast(({ sample }) => sample.atMs <= atMs) ?? this.#kept.items[0];
    return found && gunzipSync(found.packed).toString("utf8");
  }
}
