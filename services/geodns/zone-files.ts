import { dirname, isAbsolute, join, normalize } from "node:path";
import { readBytes } from "#shared/config/read-bytes.ts";
import { UsageError } from "#shared/core/error.ts";
import type { FileSource } from "./zone/zone-file.ts";

const fileBytesMax = 128 * 1_048_576; // a million records take about 50 MiB

/** Zone files on disk. Those that the config names are found from the working directory, as a geo database is; those that
 * a zone file includes, from its own folder. */
export const diskFiles: FileSource = {
  read: (path) =>
    readBytes(path, fileBytesMax, (message) => {
      throw new UsageError(message);
    }).toString("latin1"),
  locate: (path, from) => (from === undefined || isAbsolute(path) ? normalize(path) : join(dirname(from), path)),
};
