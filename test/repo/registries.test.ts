import { describe, expect, it } from "vitest";
import { metricsDocument } from "../../infra/docs/metrics.ts";
import { pickers } from "#shared/balance/registry.ts";
import { reasons } from "#shared/core/error.ts";
import { metricTable } from "#shared/observe/metric-table.ts";
import { modules, nameOf, read } from "./tree.ts";

/** First cells, where they are code, of every table row of a document. */
function rowsOf(path: string): string[] {
  return Array.from(read(path).matchAll(/^\| `([^`]+)`/gm), ([, cell = ""]) => cell);
}

/** Every string and every key in the code, but for tests and the file that declares them. */
function wordsBut(declaredIn: string): Set<string> {
  const used = modules.filter(({ isTest, path }) => !isTest && path !== declaredIn);
  return new Set(
    used.flatMap(({ nodes }) =>
      nodes.flatMap((node) => {
        if (node.type === "Literal") return nameOf(node);
        return node.type === "Property" ? nameOf(node["key"]) : [];
      }),
    ),
  );
}

describe("balancing algorithms", () => {
  it("have one row each in docs/balancing.md", () => {
    expect(rowsOf("docs/balancing.md").toSorted()).toEqual(Object.keys(pickers).toSorted());
  });
});

describe("reason codes", () => {
  it("have one row each in docs/reason-codes.md, in the order of the code", () => {
    expect(rowsOf("docs/reason-codes.md")).toEqual(reasons);
  });

  it("are all given by the code", () => {
    const words = wordsBut("shared/core/error.ts");
    expect(reasons.filter((reason) => !words.has(reason))).toEqual([]);
  });
});

describe("metrics", () => {
  it("are described in docs/metrics.md as they are (infra/docs/metrics.ts writes it)", () => {
    expect(read("docs/metrics.md")).toBe(metricsDocument());
  });

  it("are all counted by the code", () => {
    const words = wordsBut("shared/observe/metric-table.ts");
    expect(Object.keys(metricTable).filter((name) => !words.has(name))).toEqual([]);
  });
});
