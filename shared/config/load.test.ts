import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "#shared/core/error.ts";
import { ConfigError, loadConfig, parseConfig, validate } from "./load.ts";
import { l4ForwarderSchema } from "./schema/l4-forwarder.ts";
import { l7RouterSchema } from "./schema/l7-router.ts";

/** The message of the ConfigError that is thrown. */
function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("no ConfigError was thrown");
}

const complain = (text: string) => messageOf(() => parseConfig(text, "x.yaml", l7RouterSchema)).split("\n");

/** A router config that is right but for what stands in pool "api". */
const withPool = (lines: string) =>
  `listeners: [{address: "127.0.0.1:8080"}]\nroutes: []\npools:\n  api:\n${lines.replace(/^/gm, "    ")}\n`;

it("of very many faults a hundred are printed and all are kept", () => {
  const text = withPool(`endpoints: [${"{}, ".repeat(250)}]`);
  const lines = complain(text);
  expect(lines).toHaveLength(101);
  expect(lines.at(-1)).toBe("and 150 more");
});

it("problems are data too", () => {
  try {
    parseConfig(withPool("endpoints: []\npanicThreshold: 101"), "x.yaml", l7RouterSchema);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    expect((error as ConfigError).problems).toEqual([
      {
        file: "x.yaml",
        line: 6,
        column: 21,
        path: "pools.api.panicThreshold",
        expected: "a whole number 0..100",
        got: "101",
        message: "expected a whole number 0..100, got 101",
      },
    ]);
  }
});

describe("what is no config at all", () => {
  const cases: { name: string; text: string; says: string }[] = [
    { name: "an empty file", text: "", says: "x.yaml:1:1: expected a mapping, got an empty file" },
    { name: "comments alone", text: "# soon\n", says: "x.yaml:1:1: expected a mapping, got an empty file" },
    { name: "a list", text: "- a\n", says: "x.yaml:1:1: expected a mapping, got a list of 1" },
    { name: "a bare text", text: "hello", says: 'x.yaml:1:1: expected a mapping, got "hello"' },
    { name: "a key given twice", text: "a: 1\nb: 2\na: 3", says: "x.yaml:3:1: the key a is given twice" },
    { name: "a quoted key given twice", text: '"a b": 1\n"a b": 2', says: 'x.yaml:2:1: the key "a b" is given twice' },
    { name: "a tab", text: "a:\n\tb: 1", says: "x.yaml:2:1: a tab indents this line (use spaces)" },
    {
      name: "a second document",
      text: "a: 1\n---\nb: 1",
      says: "x.yaml:2:1: expected one document, got a second one here (remove the ---)",
    },
    {
      name: "a quote left open",
      text: "a: 'x",
      says: "x.yaml:1:6: this is not YAML: missing closing 'quote",
    },
    {
      name: "a reserved character",
      text: "a: @x",
      says: "x.yaml:1:4: this is not YAML: plain value cannot start with reserved character @",
    },
    { name: "an unknown tag", text: "a: !x 1", says: "x.yaml:1:4: this is not YAML: unresolved tag: !x" },
    {
      name: "another YAML",
      text: "%YAML 1.1\n---\na: 1",
      says: "x.yaml:1:1: expected YAML 1.2, got a %YAML 1.1 directive",
    },
    { name: "a mapping as key", text: "{a: b}: 1", says: "x.yaml:1:1: expected a word as key" },
    { name: "__proto__ as key", text: "a: {__proto__: {b: 1}}", says: 'x.yaml:1:5: unknown key "__proto__"' },
    { name: "an alias of nothing", text: "a: *b", says: "x.yaml:1:4: nothing before this is called &b" },
    {
      name: "an alias bomb",
      text: [
        "a: &a [1,1,1,1]",
        ..."abcdefg".split("").map((c, i, all) => (i === 0 ? "" : `${c}: &${c} [${`*${all[i - 1]},`.repeat(9)}]`)),
      ].join("\n"),
      says: "x.yaml:1:1: its aliases (*name) stand for too much",
    },
    { name: "bottomless nesting", text: "[".repeat(20_000), says: "x.yaml:1:1: nested too deeply" },
    { name: "bottomless indentation", text: "- ".repeat(20_000), says: "x.yaml:1:1: nested too deeply" },
  ];
  it.each(cases)("$name", ({ text, says }) => {
    expect(complain(text)).toEqual([says]);
  });
});

describe("files", () => {
  const folder = mkdtempSync(join(tmpdir(), "watershed-config-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "l4.yaml");
  const load = () => loadConfig(file, l4ForwarderSchema);

  it("a right file gives the parsed config; a byte order mark is skipped", () => {
    writeFileSync(file, '\uFEFFlisteners: [{address: "127.0.0.1:1", pool: a}]\npools: {a: {endpoints: []}}\n');
    expect(load().timeouts).toMatchObject({ connectMs: 1_000, idleMs: 300_000, halfClosedMs: 60_000 });
  });

  it("a missing file, a directory, bytes that are no text and a huge file are each told", () => {
    expect(messageOf(() => loadConfig(`${folder}/none.yaml`, l4ForwarderSchema))).toBe(
      `${folder}/none.yaml: there is no such file`,
    );
    expect(messageOf(() => loadConfig(folder, l4ForwarderSchema))).toBe(`${folder}: it is a directory`);
    writeFileSync(file, Buffer.concat([Buffer.from("# \uFFFD\na: "), Uint8Array.of(0xff, 0xfe)]));
    expect(messageOf(load)).toBe(`${file}:2:4: expected UTF-8 text, got byte 0xff (save the file as UTF-8)`);
    writeFileSync(file, new Uint8Array(10 * 1_048_576 + 1).fill(0x20));
    expect(messageOf(load)).toBe(`${file}: the file is larger than 10 MiB`);
  });
});

describe("validate", () => {
  it("names what was checked in place of a line", () => {
    const config = { listeners: [{ address: "127.0.0.1:1", pool: "b" }], pools: { a: { endpoints: [] } } };
    expect(messageOf(() => validate(config, "eu-west-a/l4-1", l4ForwarderSchema))).toBe(
      'eu-west-a/l4-1 listeners[0].pool: there is no pool "b" (known: a)',
    );
  });

  it("tells undefined and null as nothing", () => {
    expect(messageOf(() => validate(undefined, "x", l4ForwarderSchema))).toBe(
      "x: expected a mapping, got nothing (the key is missing)",
    );
  });
});
