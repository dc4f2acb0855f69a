import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { baredPath, normalisePath } from "./path.ts";

const forwarded: readonly { raw: string; path: string }[] = [
  { raw: "/", path: "/" },
  { raw: "/a/b.js", path: "/a/b.js" },
  { raw: "/a/./b", path: "/a/b" },
  { raw: "/a/../b", path: "/b" },
  { raw: "/a/%2e%2E/b", path: "/b" },
  { raw: "/a/.%2e/b", path: "/b" },
  { raw: "/a/.", path: "/a/" },
  { raw: "/a/b/..", path: "/a/" },
  { raw: "/a/..", path: "/" },
  { raw: "/a//b", path: "/a//b" },
  { raw: "//a//../b", path: "//a/b" },
  { raw: "/a;x=1/b", path: "/a;x=1/b" },
  { raw: "/%61dmin", path: "/admin" },
  { raw: "/a%20b%c3%A9", path: "/a%20b%c3%A9" },
  { raw: "/%252e%252e/a", path: "/%252e%252e/a" },
  { raw: "/...", path: "/..." },
  { raw: "/.well-known/x", path: "/.well-known/x" },
];

const refused = [
  "/..",
  "/a/../..",
  "/%2e%2e",
  "/./../a",
  "/%2f",
  "/%2F",
  "/a%5cb",
  "/a\\b",
  "/%00",
  "/%",
  "/%4",
  "/%zz",
];

describe("a path", () => {
  for (const { raw, path } of forwarded)
    it(`${raw} is forwarded as ${path}`, () => expect(normalisePath(raw)).toEqual({ ok: true, path }));

  for (const raw of [...refused, "/a/..;/b", "/a/.;x/b"])
    it(`${raw} is refused`, () => expect(normalisePath(raw).ok).toBe(false));

  const piece = fc.constantFrom("/", "//", ".", "..", "%2e", "%2E", "%25", "%41", "%7e", "a", "b;c", ";", "%20", "*");
  it("normalised twice is the same as once, without dot segments", () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const once = normalisePath(`/${pieces.join("")}`);
        if (!once.ok) return;
        expect(normalisePath(once.path)).toEqual(once);
        expect(once.path.split("/").some((segment) => segment === "." || segment === "..")).toBe(false);
        expect(once.path.startsWith("/")).toBe(true);
      }),
    );
  });

  it("bared for matching has single slashes and no parameters", () => {
    expect(baredPath("//admin;x=1//y;z")).toBe("/admin/y");
  });
});
