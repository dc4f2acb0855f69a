import type { Duplex } from "node:stream";
import type { Clock } from "#shared/core/clock.ts";
import type { Reason } from "#shared/core/error.ts";
import { IdleTimer } from "./idle-timer.ts";
import { reset } from "./end.ts";

/** Carries bytes both ways, with backpressure; an end of one side is carried as an end, anything rougher as a reset.
 * @param first bytes of the upstream that were already read
 * @returns when both sides are closed: OK, IDLE, UPSTREAM_RESET or CLIENT_GONE */
export function splice(
  client: Duplex,
  upstream: Duplex,
  first: Buffer,
  options: { readonly clock: Clock; readonly idleMs: number },
): Promise<Reason> {
  return new Promise((resolve) => {
    let open = 2;
    let reason: Reason = "OK";
    const cut = (why: Reason) => {
      if (reason === "OK") reason = why;
      reset(client);
      reset(upstream);
    };
    const idle = new IdleTimer(options.clock, options.idleMs, () => cut("IDLE"));
    const closed = () => {
      if (--open > 0) return;
      idle.cancel();
      resolve(reason);
    };
    const onBytes = () => idle.touch();
    if (first.length > 0) client.write(first);
    carry(client, upstream, onBytes, () => cut("CLIENT_GONE"), closed);
    carry(upstream, client, onBytes, () => cut("UPSTREAM_RESET"), closed);
  });
}

function carry(from: Duplex, to: Duplex, onBytes: () => void, onCut: () => void, onClosed: () => void): void {
  if (from.destroyed) {
    onCut();
    return onClosed();
  }
  from.on("error", onCut);
  from.on("data", (chunk: Buffer) => {
    onBytes();
    if (!to.write(chunk)) from.pause();
  });
  to.on("drain", () => from.resume());
  from.on("end", () => to.end());
  from.once("close", () => {
    if (!from.readableEnded) onCut(); // not ended but gone
    onClosed();
  });
  from.resume();
}
