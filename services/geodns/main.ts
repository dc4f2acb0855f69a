import { setFlagsFromString } from "node:v8";

// A datagram leaves a kilobyte of garbage, in node:dgram, and queries wait while it is collected. What an answer itself leaves is
// nothing. So the young generation stays as small as it begins, 1 MiB, and this thread alone collects it: many short pauses in
// place of few long ones. Set before the rest is loaded, because loading lets it grow.
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--no-parallel-scavenge"); // waking the helpers takes longer than the work

const { runService } = await import("#shared/server/run.ts");
const { geodns } = await import("./service.ts");
await runService(geodns, process.argv.slice(2));
