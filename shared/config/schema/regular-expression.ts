/** Whether a text is a regular expression of JavaScript. */
export function isRegularExpression(text: string): boolean {
  try {
    return Boolean(new RegExp(text, "u"));
  } catch {
    return false;
  }
}

/** Whether a repetition stands inside a repetition, as in `(a+)+`. A backtracking engine may then take time exponential in
 * the length of the path, which is the client's to choose. Two branches that match the same, as in `(a|a)+`, are not found. */
export function nestsRepetition(text: string): boolean {
  const groups: boolean[] = [false]; // does this open group hold a repetition?
  const plain = text.replaceAll(/\\./gs, "x").replaceAll(/\[[^\]]*\]/g, "x");
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] === "(") {
      groups.push(false);
      if (plain[i + 1] === "?") i++; // of a lookaround, a name or (?:
      continue;
    }
    const holds = plain[i] === ")" ? (groups.pop() ?? false) : false;
    const repeats = /^(?:[*+]|\{\d+,\d*\})/.test(plain.slice(plain[i] === ")" ? i + 1 : i, i + 24));
    if (holds && repeats) return true;
    if (holds || repeats) groups[groups.length - 1] = true;
  }
  return false;
}
