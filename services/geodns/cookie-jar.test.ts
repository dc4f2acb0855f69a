import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { cookiesSchema } from "#shared/config/schema/dns-listeners.ts";
import { UsageError } from "#shared/core/error.ts";
import { createCookieJar } from "./cookie-jar.ts";

const seed = Buffer.alloc(32, 1);
const jarOf = (config: Record<string, unknown>, of = seed) => createCookieJar(cookiesSchema.parse(config), of);
const fileOf = (text: string) => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "watershed-")), "secrets");
  writeFileSync(file, text);
  return file;
};
const hex = (words: Uint32Array) => Buffer.from(words.buffer).toString("hex").match(/.{32}/g);
const one = "000102030405060708090a0b0c0d0e0f";
const two = "f0e0d0c0b0a090807060504030201000";

describe("secrets that are made", () => {
  it("change with the period; the one before stays good for another", () => {
    const jar = jarOf({ rotate: "2h" });
    const first = hex(jar.secretsAt(0))!;
    expect(hex(jar.secretsAt(7_199))).toEqual(first);
    const second = hex(jar.secretsAt(7_200))!;
    expect(second[0]).not.toBe(first[0]);
    expect(second[1]).toBe(first[0]);
    expect(hex(jar.secretsAt(14_400))![1]).toBe(second[0]);
  });

  it("are the same for who shares the seed, and nobody else", () => {
    expect(hex(jarOf({}).secretsAt(5e8))).toEqual(hex(jarOf({}).secretsAt(5e8)));
    expect(hex(jarOf({}, Buffer.alloc(32, 2)).secretsAt(5e8))).not.toEqual(hex(jarOf({}).secretsAt(5e8)));
  });
});

describe("secrets that are given", () => {
  it.each([
    { name: "in the config", config: { secrets: [one, two] } },
    { name: "in a file", config: { secretFile: fileOf(`# ours\n${one}\n\n  ${two}\r\n`) } },
  ])("$name are taken in their order", ({ config }) => {
    expect(hex(jarOf(config).secretsAt(0))).toEqual([one, two]);
  });

  it.each([
    {
      name: "no file",
      file: "/nowhere/secrets",
      says: "expected a file of secrets /nowhere/secrets, got none: there is no such file",
    },
    {
      name: "a bad line",
      file: fileOf(`${one}\nnot a secret\n`),
      says: ":2:1: expected 32 hexadecimal digits, got 12 characters",
    },
    { name: "none", file: fileOf("# none yet\n"), says: "secrets, a line each, got 0" },
    { name: "too many", file: fileOf(`${one}\n`.repeat(5)), says: "secrets, a line each, got 5" },
  ])("$name: refused, with the place", ({ file, says }) => {
    const create = () => jarOf({ secretFile: file });
    expect(create).toThrow(UsageError);
    expect(create).toThrow(says);
    expect(create).not.toThrow("not a secret");
  });

  it.each([
    { secrets: ["abc"] },
    { secrets: [] },
    { secrets: [one], secretFile: "x" },
    { rotate: "59m" },
    { secrets: [one, one, one, one, one] },
  ])("the config %j is refused", (config) => {
    expect(cookiesSchema.safeParse(config).success).toBe(false);
  });
});
