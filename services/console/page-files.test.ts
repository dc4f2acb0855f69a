import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildPage } from "./page-files.ts";

describe("the page of the console", () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-page-"));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it("is built once, and takes the place of an older one", async () => {
    fs.mkdirSync(path.join(folder, "page-older"));
    const built = await buildPage(folder);
    expect(fs.readdirSync(folder)).toEqual([path.basename(built)]);
    expect(fs.readFileSync(path.join(built, "index.html"), "utf8")).toMatch(
      /<script type="module"[^>]* src="\.\/assets\//,
    );
    const { ino } = fs.statSync(built);
    expect(await buildPage(folder)).toBe(built);
    expect(fs.statSync(built).ino).toBe(ino);
  });

  it("that cannot be built says why", async () => {
    const file = path.join(folder, "file");
    fs.writeFileSync(file, "");
    await expect(buildPage(file)).rejects.toThrow(
      /^the page could not be built: .*(ENOTDIR|EEXIST|[Nn]ot a directory)/s,
    );
  });
});
