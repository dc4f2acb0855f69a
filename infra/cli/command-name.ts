import path from "node:path";
import { projectDir } from "./stack/state.ts";

/** How the command line is called: "./watershed" in its own folder, else by its whole path, which is right in every
 * other terminal too. */
export function commandName(cwd: string = process.cwd()): string {
  return cwd === projectDir ? "./watershed" : path.join(projectDir, "watershed");
}
