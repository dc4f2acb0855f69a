import { styleText } from "node:util";

type Colour = "green" | "yellow" | "red" | "dim" | "bold";

/** A cell, with the colour that it has on a terminal. */
export type Cell = string | { readonly text: string; readonly colour: Colour };

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
}

export type Paint = (colour: Colour, text: string) => string;

/** Colours for standard output: none unless it is a terminal, and none where NO_COLOR is set. */
export const paintForStdout: Paint = (colour, text) => styleText(colour, text, { stream: process.stdout });
export const noPaint: Paint = (_colour, text) => text;

/** What a node or a server said, made safe for a terminal: control characters become "?". */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- They are what is replaced.
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

/** Columns as wide as their widest cell, two spaces between them, no trailing spaces, a newline after every line. */
export function renderTable(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  paint: Paint = noPaint,
): string {
  const cells = rows.map((row) => columns.map((_, i) => cellOf(row[i] ?? "")));
  const head = columns.map(({ title }) => ({ text: title, colour: "dim" as const }));
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]?.text.length ?? 0)));
  const lines = [head, ...cells].map((row) => renderRow(row, columns, widths, paint));
  return lines.map((line) => `${line}\n`).join("");
}

function cellOf(cell: Cell): { readonly text: string; readonly colour?: Colour } {
  return typeof cell === "string" ? { text: printable(cell) } : { text: printable(cell.text), colour: cell.colour };
}

function renderRow(
  row: readonly { readonly text: string; readonly colour?: Colour }[],
  columns: readonly Column[],
  widths: readonly number[],
  paint: Paint,
): string {
  let line = "";
  let owed = 0; // spaces that are written only if something follows
  for (const [i, { text, colour }] of row.entries()) {
    const missing = (widths[i] ?? 0) - text.length;
    const before = columns[i]?.align === "right" ? missing : 0;
    if (text !== "") {
      line += " ".repeat(owed + before) + (colour ? paint(colour, text) : text);
      owed = 0;
    } else owed += before;
    owed += missing - before + 2;
  }
  return line;
}

/** A state as every table shows it. */
export function stateCell(state: string): Cell {
  if (state === "up" || state === "ready" || state === "running") return { text: state, colour: "green" };
  return { text: state, colour: ["down", "unreachable", "refused"].includes(state) ? "red" : "yellow" };
}
