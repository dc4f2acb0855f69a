import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RouteConfig } from "#shared/config/schema/l7-router.ts";
import { compileRoutes } from "./compile.ts";
import { explainRoutes, matchRoute } from "./match.ts";
import type { Routable, Visitor } from "./match.ts";
import { baredPath } from "./path.ts";

const nobody: Visitor = { bytes: undefined, country: null };

function request(host: string, path: string): Routable {
  return { method: "GET", host, path, query: "", headerValues: () => [] };
}

describe("the index of a route table", () => {
  const hosts = ["a.test", "b.a.test", "c.b.a.test", "test", ""];
  const paths = ["/", "/x", "/x/", "/x/y", "/x/y/z", "//x//y", "/x;p/y", "/y/x/z", "*"];
  const patterns = {
    host: fc.constantFrom("a.test", "b.a.test", "*.a.test", "*.test", undefined),
    path: fc.constantFrom("/", "/x", "/x/y", "/*", "/x/*", "/x/y/*", "//*", "/x/y/z", undefined),
  };
  const route = fc.record(patterns).map((match): RouteConfig => ({ match, pool: "p" }));

  it("finds the route that asking all of them in order finds", () => {
    fc.assert(
      fc.property(fc.array(route, { minLength: 17, maxLength: 40 }), (configs) => {
        const table = compileRoutes(configs);
        for (const host of hosts)
          for (const path of paths) {
            const asked = request(host, path);
            const plain = explainRoutes(table, asked, nobody).find(({ matched }) => matched);
            const found = matchRoute(table, asked, nobody);
            expect(typeof found === "object" ? found.index : undefined).toBe(plain?.index);
          }
      }),
      { numRuns: 60 },
    );
  });

  it.each([10, 10_000])("of %i exact and prefix routes offers no more than two of them", (count) => {
    const configs = Array.from({ length: count }, (_, i): RouteConfig => {
      const path = i % 2 === 0 ? `/service-${i}/*` : `/page-${i}`;
      return { match: i % 3 === 0 ? { path, host: `h${i}.test` } : { path }, pool: "p" };
    });
    const { index } = compileRoutes([...configs, { match: { path: "/*" }, pool: "rest" }]);
    for (const [i, { match }] of configs.entries()) {
      const path = (match.path ?? "").replace("/*", "/deep/down");
      const lists = index.candidates(match.host ?? "www.test", path, baredPath(path));
      const offered = lists.flat().map((one) => one.index);
      expect(offered.toSorted((a, b) => a - b)).toEqual([i, count]);
    }
  });
});
