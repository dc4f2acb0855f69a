import { describe, expect, it } from "vitest";
import { exists, files, read } from "./tree.ts";

const documents = files.filter((path) => /^(README|CONTRIBUTING)\.md$|^docs\/.*\.md$/.test(path));

/** Paths of the repository that a text names as code. Those with a placeholder (NAME, NN, *) name none. */
function pathsIn(text: string): string[] {
  const code = Array.from(text.matchAll(/`((?:services|shared|infra|test|docs)\/[\w./-]+)`/g), ([, path = ""]) => path);
  return code
    .filter((path) => !/[A-Z]{2}/.test(path.replace(/README\.md$/, "")))
    .map((path) => path.replace(/[/.]+$/, ""));
}

/** First words behind "./watershed" in code, such as "trace". */
function commandsIn(text: string): string[] {
  return Array.from(text.matchAll(/(?:^|[`\s])\.\/watershed ([a-z][a-z-]*)/g), ([, command = ""]) => command);
}

const commands = new Set(
  files
    .filter((path) => /^infra\/cli\/commands\/[a-z-]+\.ts$/.test(path) && !path.endsWith(".test.ts"))
    .flatMap((path) => Array.from(read(path).matchAll(/\.command\("([a-z-]+)"\)/g), ([, name]) => name)),
);

describe("documents", () => {
  it("name paths that there are", () => {
    expect(pathsIn("`shared/nowhere.ts`, `shared/core/` and `shared/balance/NAME.ts`")).toEqual([
      "shared/nowhere.ts",
      "shared/core",
    ]);
    const missing = documents.flatMap((document) =>
      pathsIn(read(document))
        .filter((path) => !exists(path))
        .map((path) => `${document}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it("name commands that there are", () => {
    expect(commandsIn("`./watershed nothing`\n    ./watershed trace --from DE")).toEqual(["nothing", "trace"]);
    const unknown = documents.flatMap((document) =>
      commandsIn(read(document))
        .filter((command) => !commands.has(command))
        .map((command) => `${document}: ./watershed ${command}`),
    );
    expect(unknown).toEqual([]);
  });
});
