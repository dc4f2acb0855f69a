import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { isNewEnough, run } from "./engine.ts";
import { inputsOf, moreRecipes, recipes } from "./inputs.ts";

const root = path.resolve(import.meta.dirname, "../..");
const dockerfile = readFileSync(path.join(root, "infra/docker/Dockerfile"), "utf8");

describe("the inputs of an image", () => {
  let dir = "";
  const recipe = {
    tag: "watershed/x:local",
    buildOptions: ["--build-arg=SERVICE=x"],
    sources: ["package.json", "shared"],
  };
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
    writeFileSync(path.join(dir, file), text);
  };
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "watershed-inputs-"));
    for (const file of ["package.json", ".dockerignore", "infra/docker/Dockerfile", "shared/a.ts", "shared/core/b.ts"])
      write(file, `text of ${file}`);
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  it("are the same while nothing changes", () => {
    expect(inputsOf(dir, recipe, "base")).toBe(inputsOf(dir, recipe, "base"));
  });

  it.each(["package.json", ".dockerignore", "infra/docker/Dockerfile", "shared/core/b.ts", "shared/new.ts"])(
    "change with %s",
    (file) => {
      const before = inputsOf(dir, recipe, "base");
      write(file, "other text");
      expect(inputsOf(dir, recipe, "base")).not.toBe(before);
    },
  );

  it("change with the base image and with what is built", () => {
    const before = inputsOf(dir, recipe, "base");
    expect(inputsOf(dir, recipe, "other base")).not.toBe(before);
    expect(inputsOf(dir, { ...recipe, buildOptions: [] }, "base")).not.toBe(before);
  });

  it.each(["shared/a.test.ts", "shared/goldens/a.yaml", "shared/a.golden.json", "services/y/main.ts"])(
    "do not change with %s, which no image has",
    (file) => {
      const before = inputsOf(dir, recipe, "base");
      write(file, "text");
      expect(inputsOf(dir, recipe, "base")).toBe(before);
    },
  );
});

describe("the Dockerfile", () => {
  /** Sources of every COPY from the repository, by stage. */
  const copied = Map.groupBy(
    dockerfile.split(/^FROM /m).flatMap((stage) => {
      const name = / AS (\S+)/.exec(stage)?.[1] ?? "";
      const lines = Array.from(stage.matchAll(/^COPY (?!--from)(.+)$/gm), ([, words = ""]) => words.split(" "));
      return lines.flatMap((words) => words.slice(0, -1).map((source) => ({ name, source })));
    }),
    ({ name }) => name,
  );
  const sourcesOf = (stage: string) => (copied.get(stage) ?? []).map(({ source }) => source);

  it.each([...recipes, ...moreRecipes])("copies into $tag what its inputs are", ({ tag, sources }) => {
    const service = /watershed\/(.+):local/.exec(tag)?.[1] ?? "";
    const target = ["client", "postgres"].includes(service) ? service : "service";
    const packages = target === "postgres" ? [] : sourcesOf("dependencies");
    const wanted = [...packages, ...sourcesOf(target)].map((source) => source.replace("${SERVICE}", service));
    expect([...new Set(wanted)].toSorted()).toEqual(sources.toSorted());
  });

  it("has an image for every service, with no test and no development package", () => {
    expect(recipes.map(({ tag }) => tag)).toEqual(
      ["geodns", "l7-router", "l4-forwarder", "origin", "client"].map((name) => `watershed/${name}:local`),
    );
    expect(readFileSync(path.join(root, ".dockerignore"), "utf8")).toContain("**/*.test.ts");
    expect(dockerfile).toContain("npm ci --omit=dev --ignore-scripts");
  });

  it("has the Node of package.json as its base", () => {
    const major = packageJson.devDependencies.node.split(".")[0];
    expect(dockerfile).toContain(`ARG BASE_IMAGE=node:${major}-bookworm-slim\n`);
  });

  it("checks health without a shell, and ends by SIGTERM", () => {
    expect(dockerfile).toMatch(/^HEALTHCHECK .* CMD \["node", "infra\/docker\/healthcheck.ts", "\d+"\]$/m);
    expect(dockerfile).toContain("\nSTOPSIGNAL SIGTERM\n");
  });
});

describe("the version of Compose", () => {
  it.each([
    ["1.29.2", true],
    ["1.28.6", false],
    ["2.0.0", true],
    ["v2.24.5", true],
    ["2.24.6+ds1-0ubuntu2", true],
    ["unknown", false],
  ])("%s is new enough: %s", (version, enough) => {
    expect(isNewEnough(version)).toBe(enough);
  });
});

describe("a command", () => {
  it("gives its code and what it said on both streams", async () => {
    const output = await run(process.execPath, ["-e", "console.log(1); console.error(2); process.exit(3)"], {
      limitMs: 30_000,
    });
    expect(output).toMatchObject({ code: 3, stdout: "1\n" });
    expect(output.all).toContain("2\n");
  });

  it("is ended at its limit", async () => {
    const output = await run(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { limitMs: 1 });
    expect(output.code).toBeNull();
  });

  it("that is not there is said", async () => {
    await expect(run("watershed-no-such-command", [], { limitMs: 1_000 })).rejects.toThrow(
      "cannot run watershed-no-such-command: spawn watershed-no-such-command ENOENT",
    );
  });
});
