import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UsageError } from "#shared/core/error.ts";
import { adminToken } from "./token.ts";

let dir = "";
beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "watershed-token-"))));
afterEach(() => rmSync(dir, { recursive: true }));

function fileWith(text: string): string {
  const file = path.join(dir, "token");
  writeFileSync(file, text);
  return file;
}

describe("the admin token", () => {
  it("is the variable, before the file", () => {
    const file = fileWith("of the file");
    expect(adminToken({ WATERSHED_ADMIN_TOKEN: "direct", WATERSHED_ADMIN_TOKEN_FILE: file })).toBe("direct");
  });

  it("is what the file holds, without the end of the line", () => {
    expect(adminToken({ WATERSHED_ADMIN_TOKEN_FILE: fileWith("s3cret\n") })).toBe("s3cret");
  });

  it("is none where neither is set", () => {
    expect(adminToken({})).toBeUndefined();
    expect(adminToken({ WATERSHED_ADMIN_TOKEN: "", WATERSHED_ADMIN_TOKEN_FILE: "" })).toBeUndefined();
  });

  it("is an error where the file is missing or empty", () => {
    const missing = path.join(dir, "missing");
    expect(() => adminToken({ WATERSHED_ADMIN_TOKEN_FILE: missing })).toThrow(
      new UsageError(`WATERSHED_ADMIN_TOKEN_FILE: cannot read ${missing} (ENOENT)`),
    );
    const empty = fileWith(" \n");
    expect(() => adminToken({ WATERSHED_ADMIN_TOKEN_FILE: empty })).toThrow(
      new UsageError(`WATERSHED_ADMIN_TOKEN_FILE: ${empty} is empty`),
    );
  });
});
