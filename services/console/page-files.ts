import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

const source = path.join(import.meta.dirname, "page");
/** What the page has in common with the server, and how it is built. */
const shared = ["model.ts", "page-build.ts", "../../shared/observe/sse-reader.ts"].map((file) =>
  path.join(import.meta.dirname, file),
);

const buildLimitMs = 60_000; // 1 s on a machine that is free
const saidBytesMax = 1024 * 1024;

/** Builds the page by vite, unless this very page has been built into that folder before.
 * @param cacheDir where built pages are kept, one folder each; the last one alone
 * @returns the folder of the built page
 * @throws {Error} that says what the build said */
export async function buildPage(cacheDir: string): Promise<string> {
  const name = `page-${hashOf([source, ...shared])}`;
  const built = path.join(cacheDir, name);
  if (fs.existsSync(path.join(built, "index.html"))) return built;
  const temporary = `${built}.${process.pid}`;
  await runBuild(temporary);
  fs.rmSync(built, { recursive: true, force: true });
  fs.renameSync(temporary, built); // Whoever looks sees a whole page or none.
  for (const other of fs.readdirSync(cacheDir))
    if (other.startsWith("page-") && other !== name)
      fs.rmSync(path.join(cacheDir, other), { recursive: true, force: true });
  return built;
}

/** In a process of its own: vite would stay in the memory of this one for as long as it runs. */
async function runBuild(outDir: string): Promise<void> {
  const program = path.join(import.meta.dirname, "page-build.ts");
  await new Promise<void>((resolve, reject) => {
    const limits = { timeout: buildLimitMs, maxBuffer: saidBytesMax };
    execFile(process.execPath, [program, outDir], limits, (error, _, said) => {
      if (error === null) resolve();
      else
        reject(
          new Error(`the page could not be built: ${said.split("\n\nStack backtrace:")[0]?.trim() || error.message}`, {
            cause: error,
          }),
        );
    });
  });
}

/** Of the names and contents of all files there, and of the pinned packages. */
function hashOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  const add = (file: string) => {
    if (fs.statSync(file).isDirectory()) {
      for (const entry of fs.readdirSync(file).sort()) add(path.join(file, entry));
      return;
    }
    hash.update(path.relative(source, file)).update("\0").update(fs.readFileSync(file)).update("\0");
  };
  for (const one of paths) add(one);
  hash.update(fs.readFileSync(path.resolve(source, "../../../package.json")));
  return hash.digest("hex").slice(0, 16);
}
