interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** A cell of a table as this command line prints them: titles in a line, two spaces or more between columns, a blank line behind.
 * @param row cells of the row that tell it from others, as "eu-west-a/l4-1 web-2": the first row that has them all
 * @param column its title
 * @returns undefined if there is none */
export function cellOf(output: string, row: string, column: string): string | undefined {
  let head: readonly Token[] | undefined;
  for (const line of output.split("\n")) {
    const tokens = tokensOf(line);
    const title = head?.find(({ text }) => text === column);
    if (tokens.length === 0) head = undefined;
    else if (!title) head = tokens; // Whatever stands before a table is passed over.
    else if (hasCells(tokens, row)) return tokens.find((token) => standsUnder(token, title))?.text;
  }
  return undefined;
}

function tokensOf(line: string): Token[] {
  return Array.from(line.matchAll(/\S+(?: \S+)*/g), (match) => ({
    text: match[0],
    start: match.index,
    end: match.index + match[0].length,
  }));
}

/** One cell that is the whole name, or a cell for each of its words. */
function hasCells(tokens: readonly Token[], row: string): boolean {
  const cells = tokens.map(({ text }) => text);
  return cells.includes(row) || (row.includes(" ") && row.split(" ").every((word) => cells.includes(word)));
}

/** A column is as wide as its widest cell, so that a cell begins or ends where its title does. */
function standsUnder(token: Token, title: Token): boolean {
  return token.start === title.start || token.end === title.end;
}
