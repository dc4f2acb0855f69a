import type { MetricsSnapshot } from "#shared/observe/metrics.ts";

/** What the first process of a node and its workers say to each other. Each question has an answer with its id. */
export type ToWorker<Config> = { readonly id: number } & (
  | { readonly ask: "start"; readonly config: Config; readonly seed: Uint8Array }
  | { readonly ask: "reload"; readonly config: Config }
  | { readonly ask: "change"; readonly method: string; readonly path: string; readonly body: string }
  | { readonly ask: "read"; readonly path: string }
  | { readonly ask: "metrics" }
);

export type FromWorker =
  | {
      readonly id: number;
      readonly error?: string;
      readonly isUsage?: boolean;
      readonly metrics?: MetricsSnapshot;
      /** Of an answer of its admin API; absent where that was no success. */
      readonly text?: string | undefined;
    }
  /** Recorded by the worker; found in the first process. */
  | { readonly id: "decision"; readonly name: string; readonly decision: Record<string, unknown> }
  /** Another event of the worker: the first process tells it as its own. */
  | { readonly id: "event"; readonly type: string; readonly data: Readonly<Record<string, unknown>> };
