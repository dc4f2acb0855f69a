import { formatPath } from "./error.ts";
import type { Place } from "./error.ts";

/** Finds the place of the value at a path of a config. */
export type Locate = (path: readonly PropertyKey[]) => Place;

// Beside the config, so that it stays plain data; gone when the config is.
const origins = new WeakMap<object, () => Locate>();

/** Notes where a config was read, for errors that only show later, such as a file that it names and that is not there.
 * @param open may be dear, such as reading the text anew */
export function keepOrigin(config: unknown, open: () => Locate): void {
  if (typeof config === "object" && config !== null) origins.set(config, open);
}

/** Where a config was read; of one that was not read from a file only paths are known. Opened by the first place that is
 * asked for, once for all that are asked of what this returns. */
export function locateIn(config: object): Locate {
  const open = origins.get(config) ?? (() => locateByPath);
  let opened: Locate | undefined;
  return (path) => (opened ??= open())(path);
}

/** For what was read from no file: the path stands where the name of the file would. */
export const locateByPath: Locate = (path) => ({ file: formatPath(path), path: "" });
