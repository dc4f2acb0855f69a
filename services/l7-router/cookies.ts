const valuesMax = 8; // of one name in a request: one a path and domain that somebody has set

/** The values of a cookie, as the client sends them.
 * @param lines of the header Cookie
 * @see RFC 6265 §4.2.1 */
export function cookiesNamed(name: string, lines: readonly string[]): string[] {
  const values: string[] = [];
  for (const line of lines)
    for (const part of line.split(";")) {
      const equals = part.indexOf("=");
      if (equals < 0 || part.slice(0, equals).trim() !== name) continue;
      values.push(part.slice(equals + 1).trim());
      if (values.length >= valuesMax) return values;
    }
  return values;
}
