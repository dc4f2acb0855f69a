import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDir } from "../stack/state.ts";

let folder = "";
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-keys-"));
});
afterAll(() => {
  fs.rmSync(folder, { recursive: true });
});

function watershed(...argv: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(path.join(projectDir, "watershed"), argv, { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    );
  });
}

describe("watershed dnssec", () => {
  it("makes a key where it is run, and its options reach the tool", async () => {
    const made = await watershed("dnssec", "keygen", "stream.test", "--dir", "keys");
    expect(made).toMatchObject({ code: 0, stderr: "" });
    expect(made.stdout).toMatch(/stream\.test\. IN DS \d+ 13 2 [0-9a-f]{64}\n$/);
    expect(fs.readdirSync(path.join(folder, "keys"))).toHaveLength(2);
  });

  it.each([
    {
      argv: ["dnssec", "ds", "stream.test", "--dir", "none"],
      code: 2,
      says: "none: expected a folder of keys, got none: there is no such folder",
    },
    { argv: ["dnssec", "keygn"], code: 2, says: "Did you mean keygen?" },
    { argv: ["dnssec", "--help"], code: 0, says: "Usage: watershed dnssec" },
    { argv: ["dnssec", "set", "--help"], code: 0, says: "--activate <time>" },
  ])("$argv", async ({ argv, code, says }) => {
    const result = await watershed(...argv);
    expect(result.code).toBe(code);
    expect(result.stdout + result.stderr).toContain(says);
  });
});
