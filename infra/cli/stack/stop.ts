const passedOnMs = 500; // npm passes the terminal's Ctrl-C on to us, who got it from the terminal too

export interface StopRequest extends Disposable {
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
  readonly asked: Promise<void>;
}

/** Listens for whoever wants this process to stop.
 * @param onHurry called at a second SIGINT or SIGTERM */
export function listenForStop(onHurry: () => void): StopRequest {
  const controller = new AbortController();
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  let firstMs = 0;
  const onSignal = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      if (signal !== "SIGHUP" && performance.now() - firstMs > passedOnMs) onHurry();
      return;
    }
    firstMs = performance.now();
    controller.abort();
    resolve();
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    signal: controller.signal,
    asked,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
