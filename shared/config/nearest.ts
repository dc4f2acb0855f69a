/** The name that was probably meant, or undefined if none is near: at most a third of its letters are wrong. Case counts for nothing. */
export function nearestOf(text: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const distance = editDistance(text.toLowerCase(), name.toLowerCase());
    const farthest = Math.max(1, Math.floor(Math.max(text.length, name.length) / 3));
    if (distance > farthest || distance >= bestDistance) continue;
    best = name;
    bestDistance = distance;
  }
  return best;
}

const textCharsMax = 64; // longer than any key; keeps the table small whatever a file holds

/** Insertions, deletions, replacements and swaps of neighbours that lead from one text to the other. */
export function editDistance(from: string, to: string): number {
  if (from.length > textCharsMax || to.length > textCharsMax) return from === to ? 0 : textCharsMax;
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (swapped) cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = last;
    last = row;
  }
  return last[to.length] ?? 0;
}

/** ` (did you mean "x"?)`, or the known names where they are few, or nothing. */
export function suggest(text: string, names: readonly string[]): string {
  const nearest = nearestOf(text, names);
  if (nearest !== undefined) return ` (did you mean "${nearest}"?)`;
  return names.length > 0 && names.length <= 16 ? ` (known: ${names.join(", ")})` : "";
}
