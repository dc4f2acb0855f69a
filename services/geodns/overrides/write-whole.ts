import { closeSync, existsSync, fsyncSync, openSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { UsageError, messageOf } from "#shared/core/error.ts";

/** Replaces a file in one step: whoever reads it, and whatever ends this process or the machine, sees the old or the new
 * one, never a part. Where a link leads to it, the file behind the link is replaced.
 * @throws {UsageError} if it cannot be written; then the old one stays */
export function writeWhole(file: string, text: string): void {
  const real = existsSync(file) ? realpathSync(file) : file;
  const temporary = `${real}.${process.pid}.new`;
  try {
    const descriptor = openSync(temporary, "w", 0o644);
    try {
      writeFileSync(descriptor, text); // all of it: one write may take a part, where the disk is nearly full
      fsyncSync(descriptor); // Else a crash of the machine may leave the new name with nothing in it.
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, real);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new UsageError(`nothing was changed: cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}
