const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 };
const ttlMax = 2_147_483_647; // RFC 2181 §8

/** "300", "1h30m", "2D" → seconds; undefined for anything else, or 2^31 and more.
 * Units come from BIND, and every server reads them; RFC 1035 has seconds only. */
export function parseTtl(text: string): number | undefined {
  if (!/^(?:\d{1,10}|(?:\d{1,10}[smhdw])+)$/i.test(text)) return undefined;
  let seconds = 0;
  for (const [, digits = "", unit = "s"] of text.matchAll(/(\d+)([a-z]?)/gi))
    seconds += Number(digits) * (unitSeconds[unit.toLowerCase()] ?? 1);
  return seconds <= ttlMax ? seconds : undefined;
}
