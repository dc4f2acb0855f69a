import { realpathSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";

const settleMs = 100; // editors write in several steps

/** Calls after the file has changed and come to rest. Watches its folder, because editors replace files whole, and looks where
 * links lead, because a Kubernetes ConfigMap changes by leading a link elsewhere. */
export function watchFile(file: string, onChange: () => void): { close(): void } {
  let seen = stateOf(file);
  let pending: NodeJS.Timeout | undefined;
  const look = () => {
    const now = stateOf(file);
    if (now === seen) return;
    seen = now;
    onChange();
  };
  const watcher = watch(dirname(file) || ".", () => {
    clearTimeout(pending);
    pending = setTimeout(look, settleMs);
  });
  watcher.on("error", () => {}); // The folder is gone: nothing more to see there.
  return {
    close() {
      clearTimeout(pending);
      watcher.close();
    },
  };
}

/** Differs whenever the file differs, but for a change within the clock's tick that keeps its size. */
function stateOf(file: string): string {
  try {
    const real = realpathSync(file);
    const { mtimeNs, size, ino } = statSync(real, { bigint: true });
    return `${real} ${mtimeNs} ${size} ${ino}`;
  } catch {
    return "missing";
  }
}
