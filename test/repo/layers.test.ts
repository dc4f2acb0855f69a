import { describe, expect, it } from "vitest";
import { impureGlobals, layerRules, pure } from "./layers.ts";
import { modules, parseModule, read } from "./tree.ts";

/** Sources that break a rule, and neighbours that do not: a rule that finds nothing must not pass for one that is kept. */
const samples: readonly { rule: string; path: string; text: string; broken: boolean }[] = [
  {
    rule: "services never import each other",
    path: "services/geodns/x.ts",
    text: 'import { a } from "#l7-router/a.ts";',
    broken: true,
  },
  {
    rule: "services never import each other",
    path: "services/geodns/x.test.ts",
    text: 'const a = await import("../origin/a.ts");',
    broken: true,
  },
  {
    rule: "services never import each other",
    path: "services/geodns/x.ts",
    text: 'import { a } from "#geodns/wire/a.ts"; export * from "#shared/core/a.ts";',
    broken: false,
  },
  {
    rule: "a folder of shared/ imports only those above it, and types of shared/config/schema",
    path: "shared/balance/x.ts",
    text: 'import type { A } from "#shared/endpoint/a.ts";',
    broken: true,
  },
  {
    rule: "a folder of shared/ imports only those above it, and types of shared/config/schema",
    path: "shared/balance/x.ts",
    text: 'import { balanceNames } from "#shared/config/schema/common.ts";',
    broken: true,
  },
  {
    rule: "a folder of shared/ imports only those above it, and types of shared/config/schema",
    path: "shared/server/x.ts",
    text: 'export { a } from "#geodns/a.ts";',
    broken: true,
  },
  {
    rule: "a folder of shared/ imports only those above it, and types of shared/config/schema",
    path: "shared/balance/x.ts",
    text: 'import type { A } from "#shared/config/schema/a.ts"; import { b } from "#shared/core/b.ts"; import c from "c";',
    broken: false,
  },
  {
    rule: "every folder of shared/ has its place in the list",
    path: "shared/utils/x.ts",
    text: "",
    broken: true,
  },
  {
    rule: "pure folders import no node:*, no clock and no chance",
    path: "shared/balance/x.ts",
    text: 'import { createHash } from "node:crypto";',
    broken: true,
  },
  {
    rule: "pure folders import no node:*, no clock and no chance",
    path: "services/l7-router/route/x.ts",
    text: 'import { systemClock } from "#shared/core/clock.ts";',
    broken: true,
  },
  {
    rule: "pure folders import no node:*, no clock and no chance",
    path: "services/l7-router/route/x.ts",
    text: 'import { dial } from "#shared/net/dial.ts";',
    broken: true,
  },
  {
    rule: "pure folders import no node:*, no clock and no chance",
    path: "shared/health/state.ts",
    text: 'import type { Clock } from "#shared/core/clock.ts"; import type { Socket } from "node:net";',
    broken: false,
  },
  ...["Date.now()", "new Date()", "Math.random()", "performance.now()", "setTimeout(f, 1)", "process.env"].map(
    (use) => ({
      rule: "pure folders use no clock, timer, chance or environment",
      path: "services/geodns/wire/x.ts",
      text: `export const x = () => ${use};`,
      broken: true,
    }),
  ),
  {
    rule: "pure folders use no clock, timer, chance or environment",
    path: "services/geodns/wire/x.ts",
    text: "export const x = { process: clock.performance, at: Math.max(1) }; // Date.now()",
    broken: false,
  },
  {
    rule: "nothing but tests imports test/",
    path: "infra/cli/x.ts",
    text: 'import { a } from "#test/support/a.ts";',
    broken: true,
  },
  {
    rule: "nothing but tests imports test/",
    path: "infra/cli/x.test.ts",
    text: 'import { a } from "#test/support/a.ts";',
    broken: false,
  },
  {
    rule: "the CLI imports no service",
    path: "infra/cli/x.ts",
    text: 'import type { A } from "#geodns/a.ts";',
    broken: true,
  },
];

describe.each(Object.entries(layerRules))("%s", (name, rule) => {
  it.each(samples.filter((sample) => sample.rule === name))("in $path: $text", ({ path, text, broken }) => {
    expect(rule(parseModule(path, text)).length > 0).toBe(broken);
  });

  it("holds everywhere", () => {
    const broken = modules.flatMap((module) => rule(module).map(({ line, what }) => `${module.path}:${line} ${what}`));
    expect(broken).toEqual([]);
  });
});

describe("the lint config", () => {
  const pureOverride = /Pure: .*?"no-restricted-imports"/s.exec(read(".oxlintrc.json"))?.[0] ?? "";

  it.each(pure)("bans clock and chance in %s as well", (place) => {
    expect(pureOverride).toContain(`"${place.endsWith("/") ? `${place}**` : place}"`);
  });

  it.each([...impureGlobals])("bans %s there", (name) => {
    expect(pureOverride).toContain(`"${name}"`);
  });
});
