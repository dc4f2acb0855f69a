import type { ReadStream, WriteStream } from "node:tty";

// ECMA-48 and xterm's private modes: a page of its own, so that what was on the terminal is there again afterwards.
const enter = "\u001b[?1049h\u001b[?25l";
const leave = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const clearLine = "\u001b[K";
const clearBelow = "\u001b[J";
const plain = "\u001b[0m";
const interrupt = "\u0003"; // Ctrl-C: in raw mode it is a key like any other

/** The terminal as one page that is drawn over and over. Its disposal gives the terminal back as it was. */
export interface Screen extends Disposable {
  draw(text: string): void;
  /** Resolves with q or Ctrl-C. */
  readonly quit: Promise<void>;
}

/** Takes the whole terminal.
 * @param onResize draws again in the new size
 * @param onKey any other key */
export function openScreen(
  output: WriteStream,
  input: ReadStream,
  onResize: () => void,
  onKey: (key: string) => void = () => {},
): Screen {
  const { promise: quit, resolve } = Promise.withResolvers<void>();
  const onData = (key: Buffer) => {
    const text = key.toString("utf8");
    if (text === "q" || text === interrupt) resolve();
    else onKey(text);
  };
  const canReadKeys = input.isTTY;
  if (canReadKeys) input.setRawMode(true).on("data", onData).resume();
  output.write(enter);
  output.on("resize", onResize);
  return {
    draw: (text) => void output.write(frameOf(text, output.rows, output.columns)),
    quit,
    [Symbol.dispose]() {
      output.off("resize", onResize);
      output.write(leave);
      if (canReadKeys) input.off("data", onData).setRawMode(false).pause();
    },
  };
}

/** One write that replaces the page: each line is drawn over the old one and its rest cleared, so that nothing flickers. What does
 * not fit is cut off, and the last line says how much. */
export function frameOf(text: string, rows: number, columns: number): string {
  const lines = text.replace(/\n+$/, "").split("\n");
  const hidden = lines.length - rows;
  const shown = hidden > 0 ? [...lines.slice(0, rows - 1), `... ${hidden + 1} more lines`] : lines;
  return home + shown.map((line) => clip(line, columns) + clearLine).join("\r\n") + clearBelow;
}

/** The start of a line as wide as the terminal; colours take no room. */
function clip(line: string, columns: number): string {
  let width = 0;
  let clipped = "";
  // oxlint-disable-next-line no-control-regex -- Colours begin with one.
  for (const [part] of line.matchAll(/\u001b\[[0-9;]*m|[^\u001b]/gu)) {
    if (part.length > 2) clipped += part;
    else if (++width > columns) return clipped + plain;
    else clipped += part;
  }
  return clipped;
}
