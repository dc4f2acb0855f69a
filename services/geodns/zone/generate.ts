import { RecordError, refuse } from "./rdata/words.ts";
import type { Word } from "./rdata/words.ts";

export interface Range {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

const valuesMax = 65_536; // a reverse zone of a /16

/** "1-100", "0-255/2" @throws {RecordError} */
export function parseRange(word: Word): Range {
  const [, from, to, step = "1"] = /^(\d{1,9})-(\d{1,9})(?:\/(\d{1,9}))?$/.exec(word.text) ?? [];
  const range = { from: Number(from), to: Number(to), step: Number(step) };
  if (from === undefined || range.to < range.from || range.step === 0)
    return refuse(word, "a range such as 1-100 or 0-254/2");
  if ((range.to - range.from) / range.step >= valuesMax) throw new RecordError(`more than ${valuesMax} values`, word);
  return range;
}

/** The words of a template with the number in place of every $. `${offset,width,base}` shifts and formats it, `$$` and `\$`
 * are a $. */
export function expandWords(words: readonly Word[], value: number): Word[] {
  return words.map((word) => ({ ...word, text: expand(word, value) }));
}

const widthMax = 255; // of a text

function expand(word: Word, value: number): string {
  return word.text.replaceAll(/\\.|\$\$|\$\{([^}]*)\}|\$/g, (match: string, format: string | undefined) => {
    if (match.startsWith("\\")) return match;
    if (match === "$$") return "$";
    if (format === undefined) return String(value);
    const [, offset, width = "0", base = "d"] = /^(-?\d{1,9})(?:,(\d{1,3})(?:,([doxXnN]))?)?$/.exec(format) ?? [];
    const shifted = value + Number(offset);
    if (offset === undefined || shifted < 0 || Number(width) > widthMax)
      return refuse(word, "${offset,width,base} with base d, o, x, X, n or N, and no number below 0");
    return formatNumber(shifted, Number(width), base);
  });
}

function formatNumber(value: number, width: number, base: string): string {
  if (base === "n" || base === "N") {
    // Nibbles, the lowest first, with dots: for ip6.arpa.
    const digits = value.toString(16).padStart(Math.ceil(width / 2), "0");
    const text = Array.from(digits).reverse().join(".");
    return base === "N" ? text.toUpperCase() : text;
  }
  const text = value.toString(base === "d" ? 10 : base === "o" ? 8 : 16).padStart(width, "0");
  return base === "X" ? text.toUpperCase() : text;
}
