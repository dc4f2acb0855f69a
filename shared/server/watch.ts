import { readdirSync, realpathSync, statSync, watch } from "node:fs";
import { dirname, join } from "node:path";

const settleMs = 100; // editors write in several steps
const entriesMax = 1_000; // of a folder: a change behind them is not seen

/** What to give `watchFile` to see the files of a folder come, go, and change in content or mode. */
export function everyFileIn(folder: string): string {
  return `${folder}/.`;
}

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
    const stat = statSync(real, { bigint: true });
    return `${real} ${stat.mtimeNs} ${stat.size} ${stat.ino}${stat.isDirectory() ? entriesOf(real) : ""}`;
  } catch {
    return "missing";
  }
}

/** The time of status, not of content: it also tells that a mode was set right. */
function entriesOf(folder: string): string {
  const states = readdirSync(folder)
    .slice(0, entriesMax)
    .map((name) => {
      const { ctimeNs, size } = statSync(join(folder, name), { bigint: true });
      return ` ${name} ${ctimeNs} ${size}`;
    });
  return states.join("");
}
