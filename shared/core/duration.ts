const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const form = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** Milliseconds of "500ms", "10s", "5m", "1h" or "7d"; undefined for anything else. */
export function parseDurationMs(text: string): number | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}

/** The shortest exact form of a duration: 90000 → "90s", 600000 → "10m". */
export function formatDuration(durationMs: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (durationMs >= unitMs[unit] && durationMs % unitMs[unit] === 0) return `${durationMs / unitMs[unit]}${unit}`;
  }
  return `${Math.round(durationMs * 1_000) / 1_000}ms`;
}
