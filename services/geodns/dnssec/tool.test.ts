import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseMoment } from "./key-times.ts";
import { runTool } from "./tool.ts";

let folder = "";
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-keys-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

/** Runs the tool in the folder. */
function tool(...argv: readonly string[]): { code: number; out: string; err: string } {
  let [out, err] = ["", ""];
  const spy = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += String(text);
    return true;
  });
  try {
    return { code: runTool([...argv, "--dir", folder], (text) => (out += text)), out, err };
  } finally {
    spy.mockRestore();
  }
}

interface ShownKey {
  readonly tag: number;
  readonly flags: number;
  readonly state: string;
  readonly ds: string | null;
}
const keygen = (...options: readonly string[]): ShownKey =>
  JSON.parse(tool("keygen", "stream.test", "--json", ...options).out) as ShownKey;
const listed = (): ShownKey[] => JSON.parse(tool("list", "stream.test", "--json").out) as ShownKey[];

describe("watershed dnssec", () => {
  it("keygen makes an entry point and prints its DS, which ds prints again", () => {
    const made = tool("keygen", "stream.test");
    expect(made).toMatchObject({ code: 0, err: "" });
    const [, ds = ""] = /^(stream\.test\. IN DS \d+ 13 2 [0-9a-f]{64})$/m.exec(made.out) ?? [];
    expect(tool("ds", "stream.test").out).toBe(`${ds} ; active\n`);
    expect(tool("list", "stream.test").out).toMatch(/^\d{1,5} +257 {4}active +publish \d{14}, activate \d{14}$/m);
  });

  it.each([
    { options: ["--zsk"], key: { flags: 256, state: "active", ds: null } },
    { options: ["--publish-only"], key: { flags: 257, state: "published" } },
    { options: [], key: { flags: 257, state: "active" } },
  ])("keygen $options", ({ options, key }) => {
    expect(keygen(...options)).toMatchObject(key);
  });

  it("a key is rolled", () => {
    const old = keygen();
    const next = keygen("--publish-only");
    const steps: [string, string, number, string[]][] = [
      ["--activate", "now", next.tag, ["active", "active"]],
      ["--inactive", "now", old.tag, ["retired", "active"]],
      ["--delete", "now", old.tag, ["removed", "active"]],
    ];
    for (const [option, time, tag, states] of steps) {
      expect(tool("set", "stream.test", String(tag), option, time)).toMatchObject({ code: 0, err: "" });
      const now = listed();
      expect([old, next].map(({ tag: of }) => now.find((key) => key.tag === of)?.state)).toEqual(states);
    }
    expect(tool("ds", "stream.test").out).toContain(`DS ${next.tag} 13`);
    expect(tool("ds", "stream.test").out).not.toContain(`DS ${old.tag} 13`);
  });

  it.each([
    { set: ["--inactive", "now"], says: "no entry point would sign: activate another one first" },
    { set: ["--inactive", "+30d"], says: "no entry point would sign" },
    { set: ["--activate", "none"], says: "no entry point would sign" },
    { set: ["--delete", "20000101000000"], says: "delete (20000101000000) would come before activate" },
    { set: ["--activate", "tomorrow"], says: "expected now, +30d, YYYYMMDDHHmmSS or none, got tomorrow" },
    { set: [], says: "say which time: publish, activate, inactive, delete" },
  ])("set $set is refused, and changes nothing", ({ set, says }) => {
    const { tag } = keygen();
    const before = listed();
    const { code, err } = tool("set", "stream.test", String(tag), ...set);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(says) });
    expect(listed()).toEqual(before);
  });

  it.each([
    { argv: ["ds", "stream.test"], says: "expected a key of stream.test., got 0 other files" },
    {
      argv: ["set", "stream.test", "1", "--activate", "now"],
      says: "expected a key of stream.test., got 0 other files",
    },
    { argv: ["keygen", "a..b"], says: "It is not a domain name" },
    { argv: ["kegen", "stream.test"], says: "Did you mean keygen?" },
  ])("$argv fails", ({ argv, says }) => {
    const { code, err } = tool(...argv);
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(says) });
  });
});

it.each([
  { text: "now", moment: 1_000 },
  { text: "+2m", moment: 1_120 },
  { text: "19700101000010", moment: 10 },
  { text: "+2", moment: undefined },
  { text: "2m", moment: undefined },
])("the time $text", ({ text, moment }) => {
  expect(parseMoment(text, 1_000)).toBe(moment);
});
