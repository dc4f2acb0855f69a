import { RecordError } from "./words.ts";
import type { ByteString, Word } from "./words.ts";

/** One entry of a zone file: the words of a line, or of all lines that a pair of parentheses holds together. */
export interface Entry {
  /** At least one. */
  readonly words: readonly Word[];
  /** The line begins with a blank: the owner is the last one. */
  readonly startsBlank: boolean;
}

const isBlank = (character: string) => character === " " || character === "\t";
const endsWord = (character: string) => isBlank(character) || "\r\n;()".includes(character); // also at the end: ""

/** Takes a zone file apart into entries. @see RFC 1035 §5.1 */
export class Lexer {
  readonly #text: ByteString;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  /** @param text one character a byte */
  constructor(text: ByteString) {
    this.#text = text;
  }

  /** @returns undefined at the end of the text
   * @throws {RecordError} for a quote or parenthesis without its other half; the next call goes on after that line */
  next(): Entry | undefined {
    const words: Word[] = [];
    let open: Word | undefined;
    let startsBlank = isBlank(this.#peek());
    for (;;) {
      const character = this.#peek();
      if (character === "") {
        if (open) throw new RecordError("this ( is not closed", open);
        return words.length > 0 ? { words, startsBlank } : undefined;
      }
      if (isBlank(character) || character === "\r") this.#at++;
      else if (character === ";") this.#skipLine();
      else if (character === "\n") {
        this.#newLine();
        if (open) continue;
        if (words.length > 0) return { words, startsBlank };
        startsBlank = isBlank(this.#peek());
      } else if (character === "(") {
        if (open) this.#fail("a ( inside of ( )", this.#word("(", false));
        open = this.#word("(", false);
        this.#at++;
      } else if (character === ")") {
        if (!open) this.#fail("this ) closes nothing", this.#word(")", false));
        open = undefined;
        this.#at++;
      } else words.push(character === '"' ? this.#takeQuoted() : this.#takeWord());
    }
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #word(text: ByteString, quoted: boolean): Word {
    return { text, quoted, line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #takeQuoted(): Word {
    const end = this.#endOfQuote(this.#at);
    const word = this.#word(this.#text.slice(this.#at + 1, end), true);
    this.#at = end + 1;
    return word;
  }

  /** A value in quotes belongs to its key: alpn="h2,h3". */
  #takeWord(): Word {
    let end = this.#at;
    for (let character = this.#peek(); !endsWord(character); character = this.#text.charAt(end)) {
      if (character === '"' && this.#text.charAt(end - 1) === "=") end = this.#endOfQuote(end) + 1;
      else end += character === "\\" && !"\r\n".includes(this.#text.charAt(end + 1)) ? 2 : 1;
    }
    end = Math.min(end, this.#text.length);
    const word = this.#word(this.#text.slice(this.#at, end), false);
    this.#at = end;
    return word;
  }

  /** @returns where the closing quote is */
  #endOfQuote(start: number): number {
    for (let at = start + 1; at < this.#text.length; at++) {
      const character = this.#text.charAt(at);
      if (character === '"') return at;
      if (character === "\n") break;
      if (character === "\\") at++;
    }
    const opening = { text: '"', quoted: false, line: this.#line, column: start - this.#lineStart + 1 };
    return this.#fail("this quote is not closed on its line", opening);
  }

  #newLine(): void {
    this.#at++;
    this.#line++;
    this.#lineStart = this.#at;
  }

  #skipLine(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  #fail(message: string, word: Word): never {
    this.#skipLine();
    throw new RecordError(message, word);
  }
}

/** The words of one record that stands alone, such as in a config.
 * @throws {RecordError} unless it is one line */
export function lexLine(text: ByteString): readonly Word[] {
  const lexer = new Lexer(text);
  const entry = lexer.next();
  if (lexer.next()) throw new RecordError("expected one record, got several lines");
  return entry?.words ?? [];
}
