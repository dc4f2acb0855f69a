/** Whether a text is a regular expression of JavaScript. */
export function isRegularExpression(text: string): boolean {
  try {
    return Boolean(new RegExp(text, "u"));
  } catch {
    return false;
  }
}

/** Whether a repetition, or a choice of branches, stands inside a repetition, as in `(a+)+` and `(a|a)+`. A backtracking
 * engine may then take time exponential in the length of the path, which is the client's to choose. */
export function nestsRepetition(text: string): boolean {
  const groups: boolean[] = [false]; // does this open group hold a repetition or a choice?
  const plain = plainOf(text);
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === "(") {
      groups.push(false);
      if (plain[i + 1] === "?") i++; // of a lookaround, a name or (?:
      continue;
    }
    if (plain[i] === "|") groups[groups.length - 1] = true;
    const holds = plain[i] === ")" ? (groups.pop() ?? false) : false;
    const repeats = /^(?:[*+]|\{\d+,\d*\})/.test(plain.slice(plain[i] === ")" ? i + 1 : i, i + 24));
    if (holds && repeats) return true;
    if (holds || repeats) groups[groups.length - 1] = true;
  }
  return false;
}

/** How many repetitions have no upper bound. One that may begin anywhere and two that may share the path in every way
 * take time by the power of their number. */
export function openRepetitions(text: string): number {
  return [...plainOf(text).matchAll(/[*+]|\{\d+,\}/g)].length;
}

/** Escapes and classes as one letter each: neither holds anything that repeats. */
function plainOf(text: string): string {
  return text.replaceAll(/\\./gs, "x").replaceAll(/\[[^\]]*\]/g, "x");
}
