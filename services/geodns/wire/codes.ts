/** Numbers of the DNS. @see https://www.iana.org/assignments/dns-parameters */

/** Types that this code speaks of. */
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
  SRV: 33,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  CDS: 59,
  CDNSKEY: 60,
  SVCB: 64,
  HTTPS: 65,
  SPF: 99,
  /** Only as a bit of an NSEC: the name does not exist. @see RFC 9824 §3.5 */
  NXNAME: 128,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257,
} as const;

/** Types that only have a name: in configs, zone files, logs, metrics and explain. */
const otherTypes = {
  RP: 17,
  AFSDB: 18,
  LOC: 29,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  SSHFP: 44,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  EUI48: 108,
  EUI64: 109,
  URI: 256,
} as const;

const typeNames = new Map<number, string>(
  Object.entries({ ...types, ...otherTypes }).map(([name, code]) => [code, name] as const),
);

/** Names that can stand in a zone file. */
export const typeNamesOfData = [...typeNames].filter(([code]) => code < 128 || code > 255).map(([, name]) => name);

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

/** Types that no name has records of: they ask for something else, or stand in messages only. ANY is not among them. */
export function isMeta(type: number): boolean {
  return type === types.OPT || (type >= types.TKEY && type <= types.MAILA);
}

export const classes = { IN: 1, CH: 3 } as const;

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  NOTAUTH: 9, // RFC 8945 §5.2.1: signed with a key that is not known
  BADVERS: 16,
  BADCOOKIE: 23, // RFC 7873 §8
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
  COOKIE: 10, // RFC 7873
  KEEPALIVE: 11, // RFC 7828
  PADDING: 12, // RFC 7830
  EDE: 15, // RFC 8914
  TRACE: 65_001, // of the range for local use (RFC 6891 §9): asks for this query's decision to be recorded
} as const;

/** Extended DNS errors. @see RFC 8914 §4, RFC 9824 §3.5 */
export const extendedErrors = {
  other: 0,
  notReady: 14,
  prohibited: 18,
  notAuthoritative: 20,
  notSupported: 21,
  invalidType: 30,
} as const;
