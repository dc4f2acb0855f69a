import { fillTable, permutationOf } from "./maglev.ts";
import type { Candidate, CreatePicker } from "./picker.ts";
import { isTried } from "./tried.ts";

/* Prime. Shares differ by one slot at most, so they are even within 1 % up to 655 candidates; a pool has 10,000 at most.
 * One size for every pool, though a smaller one would do for few candidates and fill faster: the size decides which
 * client goes where, so a pool that grew, or lost one to a check, over the border of two sizes would send every client
 * elsewhere, and twins with different views of health would disagree. 128 KiB and about 2 ms are cheap beside that. */
const tableSize = 65_537;

/** The same hash goes to the same candidate while that one is there; when others come or go hardly any key moves.
 * Weights count as they are at the rebuild. */
export const createIpHash: CreatePicker = () => {
  let candidates: readonly Candidate[] = [];
  let table: Uint16Array | undefined;
  return {
    rebuild(list) {
      candidates = list;
      table = undefined; // Filled at the next pick: a burst of rebuilds costs one fill.
    },
    pick({ hash, tried }) {
      if (candidates.every((candidate) => isTried(candidate, tried))) return -1;
      table ??= tableOf(candidates);
      const first = (hash >>> 0) % tableSize;
      for (let step = 0; step < tableSize; step++) {
        const i = table[(first + step) % tableSize] ?? 0;
        const candidate = candidates[i];
        if (candidate && !isTried(candidate, tried)) return i;
      }
      return -1;
    },
  };
};

/** The table depends on who is there, not on the order of the list. */
function tableOf(candidates: readonly Candidate[]): Uint16Array {
  const order = candidates.map((candidate, i) => ({ id: candidate.id, weight: candidate.weight, i }));
  order.sort((a, b) => (a.id < b.id ? -1 : 1));
  const permutations = order.map(({ id }) => permutationOf(id, tableSize));
  const weights = order.map(({ weight }) => weight);
  return fillTable(tableSize, permutations, weights).map((place) => order[place]?.i ?? 0);
}
