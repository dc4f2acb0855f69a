const unitBytes = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824, kB: 1_000, MB: 1_000_000, GB: 1_000_000_000 };
const form = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|kB|MB|GB)$/;

/** Bytes of "16KiB", "10MiB", "1GB" ...; undefined for anything else. */
export function parseBytes(text: string): number | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  return Math.floor(Number(match[1]) * unitBytes[match[2] as keyof typeof unitBytes]);
}
