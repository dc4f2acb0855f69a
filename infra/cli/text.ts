/** How long ago, in its largest unit: "0s", "12s", "3m", "5h", "2d"; "" where it is not known. */
export function formatAge(ageMs: number): string {
  if (!Number.isFinite(ageMs)) return "";
  const seconds = Math.max(0, Math.floor(ageMs / 1_000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** "0.4 ms", "4 ms", "1.2 s" */
export function formatTook(durationMs: number): string {
  if (durationMs < 1) return `${durationMs.toFixed(1)} ms`;
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  return `${(durationMs / 1_000).toFixed(1)} s`;
}

/** "1 process", "3 processes", "2 nodes" */
export function formatCount(count: number, what: string): string {
  if (count === 1) return `1 ${what}`;
  return `${count} ${what}${what.endsWith("s") ? "es" : "s"}`;
}

/** Addresses of IPv4 in their short form: 127.11.1.10, .11 → "127.11.1.10-11"; those of another network stand whole. */
export function shortenAddresses(addresses: readonly string[]): string {
  return addresses
    .map((address, i) => {
      const network = address.slice(0, address.lastIndexOf("."));
      const before = addresses[i - 1];
      return before !== undefined && network !== "" && before.startsWith(`${network}.`)
        ? address.slice(network.length)
        : address;
    })
    .join(", ");
}

/** "812 B", "4.1 kB", "1.2 GB" */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const power = Math.min(4, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1_000 ** power).toFixed(1)} ${["B", "kB", "MB", "GB", "TB"][power] ?? ""}`;
}
