import { formatPath } from "./error.ts";
import type { Place } from "./error.ts";

/** Finds the place of the value at a path of a config. */
export type Locate = (path: readonly PropertyKey[]) => Place;

// Beside the config, so that it stays plain data; gone when the config is.
const origins = new WeakMap<object, Locate>();

/** Notes where a config was read, for errors that only show later, such as a file that it names and that is not there. */
export function keepOrigin(config: unknown, locate: Locate): void {
  if (typeof config === "object" && config !== null) origins.set(config, locate);
}

/** Where a config was read; of one that was not read from a file only paths are known. */
export function locateIn(config: object): Locate {
  return origins.get(config) ?? locateByPath;
}

export const locateByPath: Locate = (path) => ({ file: formatPath(path), path: "" });
