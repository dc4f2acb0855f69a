// A program: node services/console/page-build.ts FOLDER builds the page into that folder by vite.
import path from "node:path";
import { build } from "vite";

const [outDir] = process.argv.slice(2);
if (outDir === undefined) throw new Error("usage: page-build.ts FOLDER");
try {
  await build({
    configFile: false,
    root: path.join(import.meta.dirname, "page"),
    logLevel: "silent", // What is wrong is told once, below.
    base: "./",
    build: {
      outDir: path.resolve(outDir),
      emptyOutDir: true,
      target: "es2023",
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
    },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
