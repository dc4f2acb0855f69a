import { z } from "zod";
import { parseAddress } from "#shared/core/cidr.ts";
import { addressSchema, ttlSecondsSchema } from "./common.ts";
import { absoluteName, checkNames } from "./dns-names.ts";

const one = <T extends z.ZodType>(schema: T) => z.array(schema).min(1);

/** Relative to the dnsZone without a closing dot, as in zone files (RFC 1035 §5.1); "@" is the dnsZone itself. `\.` and
 * `\DDD` are single bytes. */
export const nameSchema = z
  .string()
  .max(1_016) // 254 bytes, each as \DDD
  .regex(
    /^(?:@|\.|(?:[!-\-/-[\]-~]|\\\d{3}|\\[!-/:-~]){1,63}(?:\.(?:[!-\-/-[\]-~]|\\\d{3}|\\[!-/:-~]){1,63})*\.?)$/,
    "a domain name",
  )
  .meta({ title: "domain name" });
const ipv4Schema = addressSchema.refine((text) => parseAddress(text)?.length === 4, "an IPv4 address");
const ipv6Schema = addressSchema.refine((text) => parseAddress(text)?.length === 16, "an IPv6 address");
const textCharactersMax = 16_384; // of one record: with its name and an OPT it must fit a message over TCP
const dataSchema = z.string().min(1).max(131_072); // 65535 bytes in hexadecimal digits
const written = (form: string) => one(dataSchema).optional().describe(`\`${form}\``);

/** HTTPS and SVCB records of a steered name: the address hints come from the regions. */
export const bindingSchema = z.strictObject({
  priority: z.int().min(1).max(65_535).default(1).describe("the smallest is tried first"),
  alpn: one(z.string().regex(/^[!-~]{1,255}$/, "a protocol such as h2"))
    .optional()
    .describe("protocols, such as h2 or http/1.1"),
  defaultAlpn: z.boolean().default(true).describe("false: http/1.1 is not spoken unless alpn says so"),
  port: z.int().min(1).max(65_535).optional().describe("where the routers listen, if it is not 443"),
  ech: z
    .string()
    .regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "base64")
    .min(1)
    .optional()
    .describe("ECHConfigList in base64"),
  hints: z.boolean().default(true).describe("ipv4hint and ipv6hint of the region"),
});
export type BindingConfig = z.output<typeof bindingSchema>;
const bound = (form: string) =>
  z
    .union([one(dataSchema), bindingSchema])
    .optional()
    .describe(`\`${form}\`; a mapping beside geo: hints of the region`);

/** The record sets of one name. Types without a key of their own are written as RFC 3597 says, under TYPE731. */
export const recordsSchema = z
  .strictObject({
    A: one(ipv4Schema).optional().describe("IPv4 addresses"),
    AAAA: one(ipv6Schema).optional().describe("IPv6 addresses"),
    NS: one(nameSchema).optional().describe("name servers: of the dnsZone at @, of a delegated part elsewhere"),
    TXT: one(z.union([z.string().max(textCharactersMax), one(z.string().max(255))]))
      .optional()
      .describe("one record each, as it is; long ones are split; a list is one record of several texts"),
    CNAME: nameSchema.optional().describe("this name is another name for that one"),
    geo: z.string().optional().describe("name of a service: A and AAAA are steered"),
    HTTPS: bound("1 . alpn=h2 port=8443"),
    SVCB: bound("1 dns.example. alpn=dot"),
    MX: written("10 mail"),
    SRV: written("0 5 5060 sip"),
    CAA: written('0 issue "ca.example"'),
    PTR: one(nameSchema).optional().describe("names of this address"),
    DS: written("60485 13 2 DIGEST"),
    NAPTR: written('100 10 "S" "SIP+D2U" "" _sip._udp'),
    TLSA: written("3 1 1 HEX"),
    SSHFP: written("4 2 HEX"),
    URI: written('10 1 "https://example/"'),
    DNAME: nameSchema.optional().describe("all names below this one are names below that one"),
    HINFO: written('"CPU" "OS"'),
    RP: written("mailbox txt"),
    AFSDB: written("1 host"),
    KX: written("10 host"),
    CERT: written("PKIX 0 0 BASE64"),
    SMIMEA: written("3 0 0 HEX"),
    OPENPGPKEY: written("BASE64"),
    DNSKEY: written("256 3 13 BASE64"),
    CDS: written("60485 13 2 DIGEST"),
    CDNSKEY: written("257 3 13 BASE64"),
    ZONEMD: written("2018031900 1 1 HEX"),
    SPF: written('"v=spf1 -all"'),
    EUI48: written("00-00-5e-00-53-2a"),
    EUI64: written("00-00-5e-ef-10-00-00-2a"),
    ttl: ttlSecondsSchema.optional().describe("of these records; default: that of the dnsZone"),
  })
  .catchall(one(dataSchema));
export type RecordsConfig = z.output<typeof recordsSchema>;
const typeKey = /^TYPE\d{1,5}$/;

const signatureSecondsMin = 3_600;
const signatureSecondsMax = 90 * 86_400; // a signature that is stolen with a false answer is good for as long

/** The switch of a dnsZone. */
const dnssecZoneSchema = z
  .strictObject({
    keys: z.string().min(1).describe("folder of its key files, as `watershed dnssec keygen` makes them"),
    validity: ttlSecondsSchema
      .refine((seconds) => seconds >= signatureSecondsMin && seconds <= signatureSecondsMax, "1h to 90d")
      .prefault("7d")
      .describe("of a signature; it is made anew at half of it"),
  })
  .transform(({ keys, validity }) => ({ keys, validitySeconds: validity }))
  .describe("signed online with these keys; default: not signed");

export const dnsZoneSchema = z.strictObject({
  soa: z
    .strictObject({
      primary: nameSchema.describe("the first name server"),
      contact: nameSchema.describe("mail address of who runs it, its @ as a dot"),
      serial: z.int().min(0).max(4_294_967_295).default(1).describe("higher after every change, for secondaries"),
      refresh: ttlSecondsSchema.prefault("1h").describe("after which a secondary asks again"),
      retry: ttlSecondsSchema.prefault("10m").describe("after which a secondary that asked in vain asks again"),
      expire: ttlSecondsSchema.prefault("7d").describe("after which a secondary that asked in vain answers no more"),
      negativeTtl: ttlSecondsSchema
        .prefault("30s")
        .describe("how long resolvers keep that there is no such name or type"),
    })
    .optional()
    .describe("start of authority (RFC 1035 §3.3.13); left out where the zone file has it"),
  ttl: ttlSecondsSchema.prefault("5m").describe("of records without their own"),
  dnssec: dnssecZoneSchema.optional(),
  file: z.string().min(1).optional().describe("zone file (RFC 1035 §5); its records stand beside those given here"),
  records: z
    .record(nameSchema, recordsSchema)
    .default({})
    .describe("name below the dnsZone → its records; @ is the dnsZone itself"),
});
export type DnsZoneConfig = z.output<typeof dnsZoneSchema>;

type Issue = (path: PropertyKey[], message: string) => void;

/** What can be told of dnsZones without reading their files and data. */
export function checkDnsZones(
  context: z.core.$RefinementCtx,
  dnsZones: Readonly<Record<string, DnsZoneConfig>>,
  services: Readonly<Record<string, unknown>>,
): void {
  const issue: Issue = (path, message) => context.addIssue({ code: "custom", path, message });
  checkNames(context, dnsZones);
  for (const [zone, { soa, file, records }] of Object.entries(dnsZones)) {
    const path = ["dnsZones", zone];
    if (!soa && file === undefined) issue([...path, "soa"], "is missing, and there is no zone file that could have it");
    for (const [owner, record] of Object.entries(records)) {
      const here = [...path, "records", owner];
      const unknown = Object.keys(record).filter(
        (key) => !Object.hasOwn(recordsSchema.shape, key) && !typeKey.test(key),
      );
      if (unknown.length > 0) context.addIssue({ code: "unrecognized_keys", keys: unknown, path: here, input: record });
      checkRecords(record, absoluteName(owner, zone) === absoluteName("@", zone), (key, message) =>
        issue([...here, key], message),
      );
      if (record.geo !== undefined && !Object.hasOwn(services, record.geo)) {
        const known = Object.keys(services).join(", ") || "none";
        issue([...here, "geo"], `there is no service "${record.geo}" (known: ${known})`);
      }
    }
  }
}

/** What the DNS does not allow to stand together at one name. */
function checkRecords(records: RecordsConfig, isApex: boolean, issue: (key: string, message: string) => void): void {
  const { CNAME, NS, geo } = records;
  const others = Object.entries(records).filter(
    ([key, value]) => key !== "CNAME" && key !== "ttl" && value !== undefined,
  );
  if (CNAME !== undefined && isApex) issue("CNAME", "cannot stand at the top of a dnsZone (RFC 1034 §3.6.2)");
  if (CNAME !== undefined && others.length > 0) issue("CNAME", "must stand alone (RFC 1034 §3.6.2)");
  if (geo !== undefined && (records.A ?? records.AAAA) !== undefined)
    issue("geo", "is answered with A and AAAA of a service: no others may stand beside it");
  if (geo !== undefined && NS && !isApex) issue("geo", "cannot be answered: this name is delegated by its NS");
  for (const key of ["HTTPS", "SVCB"] as const) {
    const binding = records[key];
    if (!binding || Array.isArray(binding)) continue;
    if (geo === undefined) issue(key, 'a mapping goes with geo; without it, write "1 . alpn=h2" in a list');
    if (!binding.defaultAlpn && !binding.alpn) issue(key, "defaultAlpn: false needs alpn");
  }
}
