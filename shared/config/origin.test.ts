import { expect, it } from "vitest";
import { keepOrigin, locateIn } from "./origin.ts";

it("opens an origin for the first place that is asked for, and once for all", () => {
  const config = {};
  let opened = 0;
  keepOrigin(config, () => {
    opened++;
    return () => ({ file: "x.yaml", line: 2, column: 3, path: "a" });
  });
  const locate = locateIn(config);
  expect(opened).toBe(0);
  expect([locate(["a"]), locate(["b"])].map(({ line }) => line)).toEqual([2, 2]);
  expect(opened).toBe(1);
});

it("knows paths alone of what was read from no file", () => {
  expect(locateIn({})(["pools", "api", 0])).toEqual({ file: "pools.api[0]", path: "" });
});
