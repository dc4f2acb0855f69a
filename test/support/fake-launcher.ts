import { bringUp, Progress, tiersOf } from "#cli/stack/tiers.ts";
import type { NodeToStart } from "#cli/stack/spawn.ts";

// A launcher to be killed: `fake-launcher.ts STATE_DIR PROGRAM NODES ARGUMENT`; says "up" once its nodes are ready.
const [stateDir = "", program = "", nodes = "[]", argument = ""] = process.argv.slice(2);
await bringUp(
  tiersOf(JSON.parse(nodes) as NodeToStart[]),
  {
    stateDir,
    arguments: [argument],
    programOf: () => program,
    signal: new AbortController().signal,
    onStarted: () => {},
  },
  new Progress({ write: () => {} }),
);
process.send?.("up");
