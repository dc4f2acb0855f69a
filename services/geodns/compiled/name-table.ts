import { hashName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { Query } from "../wire/query.ts";

/** Names and what stands at them, found by the hashes that reading a query has made. Never changes. */
export class NameTable<Value> {
  /** Index of an entry + 1; 0 where there is none. Open addressing, at most half full. */
  readonly #buckets: Uint32Array;
  readonly #hashes: Uint32Array;
  readonly #names: readonly Uint8Array[];
  readonly #values: readonly Value[];

  constructor(entries: ReadonlyMap<Name, Value>) {
    const names = [...entries.keys()];
    this.#names = names.map((name) => Uint8Array.from(Buffer.from(name, "latin1")));
    this.#values = [...entries.values()];
    this.#hashes = Uint32Array.from(names, hashName);
    this.#buckets = new Uint32Array(2 ** Math.ceil(Math.log2(2 * names.length + 1)));
    for (const [i, hash] of this.#hashes.entries()) {
      let at = this.#bucketOf(hash);
      while (this.#buckets[at] !== 0) at = (at + 1) & (this.#buckets.length - 1);
      this.#buckets[at] = i + 1;
    }
  }

  /** @param label the name begins with this label of the question; the number of its labels means the root */
  find(query: Query, label: number): Value | undefined {
    const isRoot = label === query.labels;
    const hash = isRoot ? rootHash : (query.hashes[label] ?? 0);
    const start = isRoot ? query.nameBytes : (query.labelStarts[label] ?? 0);
    const length = query.nameBytes - start;
    for (let at = this.#bucketOf(hash); ; at = (at + 1) & (this.#buckets.length - 1)) {
      const index = (this.#buckets[at] ?? 0) - 1;
      if (index < 0) return undefined;
      if (this.#hashes[index] !== hash) continue;
      const name = this.#names[index];
      if (name?.length === length && isEqual(name, query.lowered, start)) return this.#values[index];
    }
  }

  /** Everything that stands in it, in the order in which it was given. */
  *entries(): Generator<readonly [Name, Value]> {
    for (const [i, name] of this.#names.entries()) {
      const value = this.#values[i];
      if (value !== undefined) yield [Buffer.from(name).toString("latin1"), value];
    }
  }

  #bucketOf(hash: number): number {
    return (hash ^ (hash >>> 15)) & (this.#buckets.length - 1);
  }
}

const rootHash = hashName("");

function isEqual(name: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}
