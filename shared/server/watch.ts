import { watch } from "node:fs";
import { basename, dirname } from "node:path";

const settleMs = 100; // editors write in several steps

/** Calls after the file has changed and come to rest. Watches its folder, because editors replace files whole. */
export function watchFile(file: string, onChange: () => void): { close(): void } {
  let pending: NodeJS.Timeout | undefined;
  const watcher = watch(dirname(file) || ".", (_event, name) => {
    if (name !== null && name !== basename(file)) return;
    clearTimeout(pending);
    pending = setTimeout(onChange, settleMs);
  });
  watcher.on("error", () => {}); // The folder is gone: nothing more to see there.
  return {
    close() {
      clearTimeout(pending);
      watcher.close();
    },
  };
}
