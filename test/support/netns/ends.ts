/** "10.77.0.5:7001" or "[fd77::5]:7001" as node:net takes it. */
export function endOf(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replaceAll(/[[\]]/g, ""), port: Number(address.slice(at + 1)) };
}
