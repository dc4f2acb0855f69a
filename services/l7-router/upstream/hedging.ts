import type { HedgeConfig } from "#shared/config/schema/hedge.ts";
import type { UpstreamRequest } from "#l7-router/engine/engine.ts";
import { AnswerTimes } from "./answer-times.ts";

const safe: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]); // RFC 9110 §9.2.1; a TRACE is not passed on
const afterMsMin = 1; // a pool that answers at once would be asked twice for everything that is not

/** Why a request is never tried at two endpoints at a time; undefined if it may be. */
export function notHedged({ method, framing, upgrade }: Pick<UpstreamRequest, "method" | "framing" | "upgrade">) {
  if (!safe.has(method)) return `${method} is not safe`;
  if (framing.kind !== "none") return "it has a body";
  return upgrade ? "it asks to switch protocols" : undefined;
}

/** When the requests of a pool are tried a second time, beside a first try that is slow. */
export class Hedging {
  readonly #times = new AnswerTimes();
  #config: HedgeConfig;

  constructor(config: HedgeConfig) {
    this.#config = config;
  }

  /** A reload: what was learnt stays. */
  update(config: HedgeConfig): void {
    this.#config = config;
  }

  /** How long a first try may be silent; undefined while too few answers are known to say. */
  afterMs(): number | undefined {
    const { after } = this.#config;
    if ("ms" in after) return after.ms;
    const percentileMs = this.#times.percentileMs(after.percentile);
    return percentileMs === undefined ? undefined : Math.max(afterMsMin, Math.round(percentileMs));
  }

  /** A server took so long to the first byte, or was given up then. */
  observe(tookMs: number): void {
    if ("percentile" in this.#config.after) this.#times.observe(tookMs);
  }
}
