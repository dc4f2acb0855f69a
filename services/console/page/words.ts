import type { ServerView } from "../model.ts";

/** "1.2k", "34", "0.5" */
export function rateText(rate: number): string {
  if (rate >= 10_000) return `${Math.round(rate / 1_000)}k`;
  if (rate >= 1_000) return `${(rate / 1_000).toFixed(1)}k`;
  if (rate >= 10 || rate === 0) return String(Math.round(rate));
  return rate.toFixed(1);
}

/** "3.4 ms", "120 ms", "1.2 s", "–" */
export function timeText(ms: number | null): string {
  if (ms === null) return "–";
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

/** "0 %", "2.5 %", "–" */
export function shareText(share: number | null): string {
  if (share === null) return "–";
  const percent = share * 100;
  return `${percent === 0 || percent >= 10 ? Math.round(percent) : percent.toFixed(1)} %`;
}

/** "12 s", "3 min", "2 h" */
export function agoText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}

/** How well a state is: what stands beside its word, in shape and colour. */
export type Level = "good" | "warn" | "bad" | "off";

const levels: Readonly<Record<string, Level>> = {
  ready: "good",
  running: "good",
  up: "good",
  starting: "warn",
  draining: "warn",
  drained: "warn",
  slow: "warn",
  unknown: "warn",
  disabled: "off",
  cut: "bad",
};

export const levelOf = (state: string): Level => levels[state] ?? "bad";

/** A shape for each level: never colour alone. */
export const shapes: Readonly<Record<Level, string>> = { good: "●", warn: "◐", bad: "✕", off: "○" };

/** How a server is, by its own word and those of the forwarders that check it. */
export function serverState({ state, delayMs, seen }: ServerView): { readonly state: string; readonly why: string } {
  if (state !== "running") return { state, why: seen.map(({ by, reason }) => `${by}: ${reason}`).join(", ") };
  const off = seen.find((one) => one.state !== "up");
  if (off) return { state: off.state, why: `${off.by}: ${off.reason}` };
  return delayMs > 0 ? { state: "slow", why: `each answer waits ${delayMs} ms` } : { state: "running", why: "" };
}
