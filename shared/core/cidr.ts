/** An IP address as bytes: 4 of IPv4, 16 of IPv6, network order. */
export type AddressBytes = Uint8Array;

/** A network: the first `prefix` bits of `bytes`. Bits behind the prefix are 0. */
export interface Cidr {
  readonly bytes: AddressBytes;
  readonly prefix: number;
}

const ipv4Form = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;

/** Bytes of an IPv4 or IPv6 address in text; undefined if it is none. An IPv4-mapped address comes back as IPv4. */
export function parseAddress(text: string): AddressBytes | undefined {
  const ipv4 = parseIpv4(text);
  if (ipv4) return ipv4;
  const ipv6 = parseIpv6(text);
  return ipv6 && (mappedIpv4(ipv6) ?? ipv6);
}

function parseIpv4(text: string): AddressBytes | undefined {
  const match = ipv4Form.exec(text);
  if (!match) return undefined;
  const bytes = Uint8Array.of(Number(match[1]), Number(match[2]), Number(match[3]), Number(match[4]));
  return match.slice(1).every((part) => Number(part) <= 255) ? bytes : undefined;
}

/** @see RFC 4291 §2.2 */
function parseIpv6(text: string): AddressBytes | undefined {
  if (text.length > 45 || !text.includes(":")) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? "", true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...tail];
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => {
    bytes[2 * i] = group >> 8;
    bytes[2 * i + 1] = group & 0xff;
  });
  return bytes;
}

function groupsOf(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    const ipv4 = mayEndInIpv4 && i === parts.length - 1 ? parseIpv4(part) : undefined;
    if (ipv4) groups.push(((ipv4[0] ?? 0) << 8) | (ipv4[1] ?? 0), ((ipv4[2] ?? 0) << 8) | (ipv4[3] ?? 0));
    else if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** The IPv4 address inside ::ffff:0:0/96, if it is one. */
function mappedIpv4(bytes: AddressBytes): AddressBytes | undefined {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return undefined;
  return bytes[10] === 0xff && bytes[11] === 0xff ? bytes.slice(12) : undefined;
}

/** Text of an address: dotted quad, or IPv6 by RFC 5952. */
export function formatAddress(bytes: AddressBytes): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const run = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (run.length < 2) return hex(groups);
  return `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}

/** "10.0.0.0/8", "2001:db8::/32" or a lone address (all its bits). Undefined if malformed or bits are set behind the prefix. */
export function parseCidr(text: string): Cidr | undefined {
  const [address, prefixText, ...rest] = text.split("/");
  const bytes = parseAddress(address ?? "");
  if (!bytes || rest.length > 0) return undefined;
  if (prefixText === undefined) return { bytes, prefix: bytes.length * 8 };
  if (!/^\d{1,3}$/.test(prefixText) || Number(prefixText) > bytes.length * 8) return undefined;
  const prefix = Number(prefixText);
  const masked = maskAddress(bytes, prefix);
  return masked.every((byte, i) => byte === bytes[i]) ? { bytes, prefix } : undefined;
}

/** The address with every bit behind `prefix` cleared. */
export function maskAddress(bytes: AddressBytes, prefix: number): AddressBytes {
  return bytes.map((byte, i) => byte & (0xff << Math.max(0, Math.min(8, 8 - (prefix - i * 8)))));
}

export function cidrContains(cidr: Cidr, address: AddressBytes): boolean {
  if (cidr.bytes.length !== address.length) return false;
  const whole = cidr.prefix >> 3;
  for (let i = 0; i < whole; i++) if (cidr.bytes[i] !== address[i]) return false;
  const rest = cidr.prefix & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((cidr.bytes[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.bytes)}/${cidr.prefix}`;
}

/** An "address:port" of IPv4 or "[address]:port" of IPv6. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** Undefined unless the host is an IP address and the port 0..65535. */
export function parseSocketAddress(text: string): SocketAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const bytes = parseAddress(match[1] ?? match[2] ?? "");
  const port = Number(match[3]);
  if (!bytes || port > 65_535 || (bytes.length === 16) !== (match[1] !== undefined)) return undefined;
  return { host: formatAddress(bytes), port };
}

export function formatSocketAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
