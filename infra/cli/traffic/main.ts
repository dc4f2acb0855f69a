// The process behind `traffic start`: its settings are its argument.
import { UsageError, messageOf } from "#shared/core/error.ts";
import { listenForStop } from "../stack/stop.ts";
import { stateDir } from "../stack/state.ts";
import type { StartMessage } from "./background.ts";
import { serveTraffic } from "./serve.ts";
import { settingsSchema } from "./settings.ts";

using stop = listenForStop(() => process.exit(1));
const tell = (message: StartMessage) => {
  if (process.connected) process.send?.(message);
};
try {
  const settings = settingsSchema.parse(JSON.parse(process.argv[2] ?? ""));
  const { end, status } = await serveTraffic(settings, stateDir(), stop.asked, {
    started: (first) => tell({ ok: true, status: { ...first } }),
  });
  process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), end, ...status })}\n`);
} catch (error) {
  tell({ ok: false, usage: error instanceof UsageError, error: messageOf(error) });
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
if (process.connected) process.disconnect?.();
