import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readCookie, signCookie } from "./sticky-cookie.ts";
import { stickyKeysOf } from "./sticky-keys.ts";

const folder = mkdtempSync(path.join(tmpdir(), "sticky-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(text: string): string {
  const file = path.join(folder, "secret");
  writeFileSync(file, text);
  return file;
}

const seed = Buffer.alloc(32, 1);
const oldSecret = "an old secret that was enough";
const newSecret = "the secret that is in force now";

describe("the keys of sticky cookies", () => {
  it.each([
    { name: "the file first", file: newSecret, env: { WATERSHED_STICKY_SECRET: oldSecret }, from: "stickySecretFile" },
    { name: "then the environment", env: { WATERSHED_STICKY_SECRET: oldSecret }, from: "WATERSHED_STICKY_SECRET" },
    { name: "then the admin token", env: { WATERSHED_ADMIN_TOKEN: "t" }, from: "the admin token" },
    { name: "or are the process' own", env: {}, from: "this process" },
  ])("come from $name", ({ file, env, from }) => {
    expect(stickyKeysOf(file === undefined ? undefined : fileOf(file), seed, env).from).toBe(from);
  });

  it("are the same wherever the secret is, and never the secret", () => {
    const token = { WATERSHED_ADMIN_TOKEN: newSecret };
    const [key] = stickyKeysOf(undefined, seed, token).keys;
    expect(stickyKeysOf(fileOf(`${newSecret}\n`), Buffer.alloc(32, 2), {}).keys).toEqual([key]);
    expect(key.toString()).not.toContain(newSecret);
  });

  it("change without a user who moves: the one before is still believed", () => {
    const former = stickyKeysOf(fileOf(oldSecret), seed, {}).keys;
    const cookie = signCookie("ws", 200, 2_000, former);
    const present = stickyKeysOf(fileOf(`${newSecret}\n${oldSecret}\n`), seed, {}).keys;
    expect(readCookie("ws", cookie, 1_000, present)).toEqual({ state: "valid", bucket: 200, expiresS: 2_000 });
    expect(readCookie("ws", signCookie("ws", 200, 2_000, present), 1_000, former)).toEqual({ state: "forged" });
  });

  it.each([
    { name: "an empty file", text: "\n", message: /is empty/ },
    { name: "a short secret", text: "short", message: /16 characters or more/ },
    { name: "a third secret", text: `${oldSecret}\n${newSecret}\n${oldSecret}`, message: /more than 2 secrets/ },
  ])("refuse $name", ({ text, message }) => {
    expect(() => stickyKeysOf(fileOf(text), seed, {})).toThrow(message);
  });

  it("refuse a file that is not there", () => {
    expect(() => stickyKeysOf(path.join(folder, "none"), seed, {})).toThrow("stickySecretFile: cannot read");
  });
});
