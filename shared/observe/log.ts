import pino from "pino";

export type Logger = pino.Logger;

/** JSON lines on standard output. A line that cannot be written (a full disk) is dropped; traffic goes on. */
export function createLogger(names: { readonly service: string; readonly node: string }): Logger {
  const destination = pino.destination({ dest: 1, sync: false, minLength: 0 });
  destination.on("error", () => {}); // Dropped on purpose: a log that cannot be written must not stop traffic.
  return pino(
    {
      level: process.env["WATERSHED_LOG_LEVEL"] ?? "info",
      base: names,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}
