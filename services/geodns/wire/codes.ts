/** Numbers of the DNS. @see https://www.iana.org/assignments/dns-parameters */

export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  CDS: 59,
  CDNSKEY: 60,
  /** Only as a bit of an NSEC: the name does not exist. @see RFC 9824 §3.5 */
  NXNAME: 128,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;

/** Types that people ask for and that have a name in logs, metrics and explain, beside `types`. */
const otherTypes = { SRV: 33, SVCB: 64, HTTPS: 65, CAA: 257 } as const;

const typeNames = new Map<number, string>(
  Object.entries({ ...types, ...otherTypes }).map(([name, code]) => [code, name] as const),
);

/** "A"; "TYPE1234" for a type without a name here (RFC 3597 §5). */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** The same for a metric's label, where the types are not to be counted one by one. */
export function typeLabel(type: number): string {
  return typeNames.get(type) ?? "other";
}

/** The number of "A", "aaaa", "TYPE65" or "65"; undefined for anything else. */
export function parseType(text: string): number | undefined {
  const upper = text.toUpperCase();
  const match = /^(?:TYPE)?(\d{1,5})$/.exec(upper);
  if (match) return Number(match[1]) <= 0xffff ? Number(match[1]) : undefined;
  for (const [code, name] of typeNames) if (name === upper) return code;
  return undefined;
}

export const classes = { IN: 1, CH: 3 } as const;

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
export type Rcode = keyof typeof rcodes;

const rcodeNames = new Map<number, string>(Object.entries(rcodes).map(([name, code]) => [code, name] as const));

/** "NOERROR"; "RCODE23" for one without a name here. */
export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`;
}

export const optionCodes = {
  NSID: 3, // RFC 5001
  ECS: 8, // RFC 7871
  EDE: 15, // RFC 8914
  TRACE: 65_001, // of the range for local use (RFC 6891 §9): asks for this query's decision to be recorded
} as const;

/** Extended DNS errors. @see RFC 8914 §4, RFC 9824 §3.5 */
export const extendedErrorCodes = { other: 0, notReady: 14, invalidType: 30 } as const;
