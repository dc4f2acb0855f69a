import { describe, expect, it } from "vitest";
import { modules } from "./tree.ts";

describe("OpenTelemetry is loaded only where it is asked for", () => {
  const code = modules.filter(({ isTest, path }) => !isTest && !path.startsWith("test/"));
  const exporter = "services/l7-router/tracing/otlp.ts";
  const importing = (found: (specifier: string, target: string | undefined) => boolean) =>
    code
      .filter(({ imports }) => imports.some((one) => !one.typeOnly && found(one.specifier, one.target)))
      .map(({ path }) => path);

  it("one file imports it", () => {
    expect(importing((specifier) => specifier.startsWith("@opentelemetry/"))).toEqual([exporter]);
  });

  it("nobody imports that file but by import() when a router opens its tracing", () => {
    const dynamic = code.filter(({ nodes }) =>
      nodes.some((node) => {
        const source = node["source"] as { value?: unknown } | undefined;
        return node.type === "ImportExpression" && source?.value === "./otlp.ts";
      }),
    );
    expect(dynamic.map(({ path }) => path)).toEqual(["services/l7-router/tracing/tracing.ts"]);
    expect(importing((_, target) => target === exporter).filter((path) => path !== dynamic[0]?.path)).toEqual([]);
  });
});

describe("vite is loaded only by the process that builds the page of the console", () => {
  const builder = "services/console/page-build.ts";
  const code = modules.filter(({ isTest, path }) => !isTest && !path.startsWith("test/"));

  it("one program names it", () => {
    const naming = code.filter(({ imports, nodes }) => {
      const dynamic = nodes.some((node) => {
        const source = node["source"] as { value?: unknown } | undefined;
        return node.type === "ImportExpression" && source?.value === "vite";
      });
      return dynamic || imports.some(({ specifier, typeOnly }) => !typeOnly && specifier === "vite");
    });
    expect(naming.map(({ path }) => path)).toEqual([builder]);
  });

  it("nobody imports that program", () => {
    const importing = code.filter(({ imports }) => imports.some(({ target }) => target === builder));
    expect(importing.map(({ path }) => path)).toEqual([]);
  });
});
