import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { codeOf, messageOf } from "#shared/core/error.ts";

const chunkBytes = 1_048_576;

/** The bytes of a file or a pipe.
 * @param bytesMax a multiple of 1 MiB
 * @param fail is told why it cannot be read, or that it is larger */
export function readBytes(file: string, bytesMax: number, fail: (message: string) => never): Buffer {
  const read = tryRead(file, bytesMax);
  return typeof read === "string" ? fail(read) : read;
}

function tryRead(file: string, bytesMax: number): Buffer | string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    if (fstatSync(descriptor).isDirectory()) return "this is a directory, not a file";
    const chunks: Uint8Array[] = [];
    for (let total = 0; total <= bytesMax;) {
      const chunk = new Uint8Array(Math.min(chunkBytes, bytesMax + 1 - total));
      const length = readSync(descriptor, chunk);
      if (length === 0) return Buffer.concat(chunks);
      chunks.push(chunk.subarray(0, length));
      total += length;
    }
    return `the file is larger than ${bytesMax / 1_048_576} MiB`;
  } catch (error) {
    return whyUnreadable(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function whyUnreadable(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "this process may not read the file";
    default:
      return `the file cannot be read: ${messageOf(error)}`;
  }
}
