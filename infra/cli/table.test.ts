import { describe, expect, it } from "vitest";
import { printable, renderTable } from "./table.ts";
import { formatAge, formatTook, shortenAddresses } from "./text.ts";

describe("a table", () => {
  it("is as wide as its widest cells and ends no line in spaces", () => {
    const columns = [{ title: "pool" }, { title: "active", align: "right" }, { title: "note" }] as const;
    const rows = [
      ["api", "7", ""],
      ["static-files", "1200", "up"],
    ];
    expect(renderTable(columns, rows)).toBe(
      ["pool          active  note", "api                7", "static-files    1200  up", ""].join("\n"),
    );
  });

  it("keeps its columns where cells are empty", () => {
    const columns = [{ title: "a" }, { title: "bb", align: "right" }, { title: "c" }] as const;
    expect(renderTable(columns, [["", "", "x"]])).toBe("a  bb  c\n       x\n");
  });

  it("colours the text of a cell and not the space behind it", () => {
    const table = renderTable(
      [{ title: "s" }, { title: "t" }],
      [[{ text: "up", colour: "green" }, "x"]],
      (colour, text) => (colour === "green" ? `<${text}>` : text),
    );
    expect(table).toBe("s   t\n<up>  x\n");
  });

  it("lets no control character of a node through to the terminal", () => {
    expect(printable("a\u001b[31mb\r\nc\u009b")).toBe("a?[31mb??c?");
    expect(renderTable([{ title: "t" }], [["\u001b]0;x\u0007"]])).toBe("t\n?]0;x?\n");
  });
});

describe("short forms", () => {
  it.each([
    [Number.NaN, ""],
    [-5, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [3_600_000, "1h"],
    [90_000_000, "1d"],
  ])("an age of %d ms is %j", (ageMs, text) => expect(formatAge(ageMs)).toBe(text));

  it.each([
    [0.42, "0.4 ms"],
    [3.6, "4 ms"],
    [1_234, "1.2 s"],
  ])("a duration of %d ms is %j", (durationMs, text) => expect(formatTook(durationMs)).toBe(text));

  it.each([
    [["127.11.0.1", "127.11.0.2"], "127.11.0.1, .2"],
    [["127.11.0.1", "127.12.0.1", "127.12.0.2"], "127.11.0.1, 127.12.0.1, .2"],
    [[], ""],
  ])("addresses %j are %j", (addresses, text) => expect(shortenAddresses(addresses)).toBe(text));
});
