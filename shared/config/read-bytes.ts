import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { whyUnreadable } from "#shared/core/error.ts";

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
    if (fstatSync(descriptor).isDirectory()) return "it is a directory";
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
