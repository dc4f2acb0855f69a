import fs from "node:fs";
import { makeCertificate } from "./certificate.ts";
import { badKeys } from "./bad-geodns-keys.ts";
import { asFolder, configWith, fileAt, keyName, remove, secret, write, zone } from "./geodns-files.ts";
import type { Bad } from "./geodns-files.ts";

export const zoneKey = '[geodns.yaml:15:11 dnsZones["filed.test"].file]';
const zoneAt = 'geodns.yaml:15:11 dnsZones["filed.test"].file: ';
const paths = "paths are found from the working directory";
const geoHint = `(a MaxMind file, or builtin; ${paths})`;
const secretHint = "(openssl rand -hex 16 makes one)";

const badConfigs: readonly Bad[] = [
  {
    name: "bytes that are no text",
    damage: () => write("geodns.yaml", Buffer.concat([Buffer.from("listen: []\nadmin: "), Uint8Array.of(0xe4)])),
    says: ["geodns.yaml:2:8: expected UTF-8 text, got byte 0xe4 (save the file as UTF-8)"],
  },
  {
    name: "nothing",
    damage: () => write("geodns.yaml", "# later\n"),
    says: ["geodns.yaml:1:1: expected a mapping, got an empty file"],
  },
  {
    name: "no YAML",
    damage: () => configWith("[50, 10]", "[50, 10}"),
    says: [/^geodns.yaml:7:\d+: this is not YAML: /],
  },
  {
    name: "a tab",
    damage: () => configWith("  stream.test:", "\tstream.test:"),
    says: ["geodns.yaml:10:1: a tab indents this line (use spaces)", /^geodns.yaml:14:1: this is not YAML: /],
  },
  {
    name: "a key twice",
    damage: () => configWith("regions:", "admin: x\nregions:"),
    says: ["geodns.yaml:7:1: the key admin is given twice"],
  },
  {
    name: "aliases that stand for too much",
    damage: () => write("geodns.yaml", `a: &a [1, 1]\nb: &b [${"*a,".repeat(99)}*a]\nc: [${"*b,".repeat(99)}*b]\n`),
    says: ["geodns.yaml:1:1: its aliases (*name) stand for too much"],
  },
  {
    name: "brackets without end",
    damage: () => write("geodns.yaml", `a: ${"[".repeat(20_000)}`),
    says: ["geodns.yaml:1:1: nested too deeply"],
  },
  {
    name: "an unknown key",
    damage: () => configWith("cookies:", "cookeis:"),
    says: ['geodns.yaml:5:1: unknown key "cookeis" (did you mean "cookies"?)'],
  },
  {
    name: "a number in quotes",
    damage: () => configWith("[50, 10]", '["50", 10]'),
    says: ['geodns.yaml:7:27 regions.eu.location[0]: expected a number -90..90, got "50" (drop the quotes)'],
  },
  {
    name: "a region that is not there",
    damage: () => configWith("services: {web: {regions: {eu:", "services: {web: {regions: {us:"),
    says: ['geodns.yaml:8:32 services.web.regions.us: there is no region "us" (known: eu)'],
  },
  {
    name: "a record that is none",
    damage: () => configWith("ns1: {A:", 'mx: {MX: ["ten ns1"]}, ns1: {A:'),
    says: [/^geodns.yaml:13:\d+ dnsZones\["stream.test"\].records.mx.MX\[0\]: expected .*, got "ten"/],
  },
];

const badZones: readonly Bad[] = [
  {
    name: "a missing zone file",
    damage: () => remove("filed.zone"),
    says: [`${zoneAt}expected a zone file filed.zone, got none: there is no such file (${paths} of the name server)`],
  },
  {
    name: "a folder in its place",
    damage: () => asFolder("filed.zone"),
    says: [`${zoneAt}expected a zone file filed.zone, got none: it is a directory (${paths} of the name server)`],
  },
  {
    name: "no SOA and no NS",
    damage: () => write("filed.zone", "; nothing\n"),
    says: [
      `${zoneAt}expected an SOA record of filed.test., got none in filed.zone, and none here (add one there, or soa here; RFC 1035 §5.2)`,
      `${zoneAt}expected an NS record of filed.test., got none in filed.zone, and none here (name the servers, such as "@": {NS: [ns1]}; RFC 1034 §4.2.1)`,
    ],
  },
  {
    name: "records that stand in the config too",
    damage: () => configWith(/records: \{www: \{geo: web\}\}\n$/, "records: {ns1: {A: [192.0.2.1]}}\n"),
    says: [
      `filed.zone:3:1: expected each set of records in the zone file or in the config, got ns1.filed.test. A in both: the other one is at geodns.yaml:16:25 dnsZones["filed.test"].records.ns1.A[0] (move the set to one of them) ${zoneKey}`,
    ],
  },
  {
    name: "records of the config that cannot stand beside those of the file",
    damage: () => write("filed.zone", `${zone}www A 192.0.2.2\n`),
    says: [
      /^geodns.yaml:16:26 dnsZones\["filed.test"\].records.www.geo: .*A and AAAA of a service: www.filed.test. has others$/,
    ],
  },
  {
    name: "faults in the file",
    damage: () => write("filed.zone", `${zone}a A 192.0.2\n  x TXT "open\nother.test. A 192.0.2.1\n`),
    says: [
      `filed.zone:4:5: expected an IPv4 address, got "192.0.2" ${zoneKey}`,
      `filed.zone:5:9: this quote is not closed on its line ${zoneKey}`,
    ],
  },
  {
    name: "a name outside the dnsZone",
    damage: () => write("filed.zone", `${zone}other.test. A 192.0.2.1\n`),
    says: [`filed.zone:4:1: other.test. is outside the dnsZone filed.test. ${zoneKey}`],
  },
  {
    name: "an included file that is not there",
    damage: () => write("filed.zone", `${zone}$INCLUDE more.zone\n`),
    says: [`filed.zone:4:10: expected a zone file more.zone, got none: there is no such file ${zoneKey}`],
  },
  {
    name: "a fault in an included file",
    damage: () => {
      write("filed.zone", `${zone}$INCLUDE more.zone\n`);
      write("more.zone", "\na AAAA 192.0.2.1\n");
    },
    says: [`more.zone:2:8: expected an IPv6 address, got "192.0.2.1" ${zoneKey}`],
  },
  {
    name: "a file that includes itself",
    damage: () => write("filed.zone", `${zone}$INCLUDE filed.zone\n`),
    says: [`filed.zone:4:10: filed.zone includes itself ${zoneKey}`],
  },
];

const badOthers: readonly Bad[] = [
  {
    name: "missing geo databases",
    damage: () => ["geo.mmdb", "asn.mmdb"].forEach(remove),
    says: [
      `geodns.yaml:4:17 geo.database: expected a geo database (MMDB) in geo.mmdb, got none: there is no such file ${geoHint}`,
      /^geodns.yaml:4:\d+ geo.asnDatabase: expected a geo database \(MMDB\) in asn.mmdb, got none: there is no such file/,
    ],
  },
  {
    name: "broken geo databases",
    damage: () => ["geo.mmdb", "asn.mmdb"].forEach((name) => write(name, "noise")),
    says: [
      /^geodns.yaml:4:17 geo.database: expected a geo database \(MMDB\) in geo.mmdb, got none: /,
      /^geodns.yaml:4:\d+ geo.asnDatabase: expected a geo database \(MMDB\) in asn.mmdb, got none: /,
    ],
  },
  {
    name: "a folder as geo database",
    damage: () => asFolder("geo.mmdb"),
    says: [
      `geodns.yaml:4:17 geo.database: expected a geo database (MMDB) in geo.mmdb, got none: it is a directory ${geoHint}`,
    ],
  },
  {
    name: "a missing file of secrets",
    damage: () => remove("secrets"),
    says: [
      `geodns.yaml:5:23 cookies.secretFile: expected a file of secrets secrets, got none: there is no such file ${secretHint}`,
    ],
  },
  {
    name: "secrets that are none",
    damage: () => write("secrets", `${secret}\n  ${secret.slice(1)}\nx\n`),
    says: [
      `secrets:2:3: expected 32 hexadecimal digits, got 31 characters ${secretHint} [geodns.yaml:5:23 cookies.secretFile]`,
      `secrets:3:1: expected 32 hexadecimal digits, got 1 characters, not all of them digits ${secretHint} [geodns.yaml:5:23 cookies.secretFile]`,
    ],
  },
  {
    name: "no secrets",
    damage: () => write("secrets", "# soon\n"),
    says: [`geodns.yaml:5:23 cookies.secretFile: expected 1 to 4 secrets in secrets, a line each, got 0 ${secretHint}`],
  },
  {
    name: "a missing certificate and its missing key",
    damage: () => ["site.crt", "site.key"].forEach(remove),
    says: [
      new RegExp(
        `^geodns.yaml:6:\\d+ tls.certificates\\[0\\].cert: expected a certificate in PEM in site.crt, got none: there is no`,
      ),
      new RegExp(
        `^geodns.yaml:6:\\d+ tls.certificates\\[0\\].key: expected a private key in PEM in site.key, got none: there is no`,
      ),
    ],
  },
  {
    name: "noise for a certificate and a key",
    damage: () => ["site.crt", "site.key"].forEach((name) => write(name, "noise")),
    says: [
      /^geodns.yaml:6:\d+ tls.certificates\[0\].cert: expected a certificate in PEM in site.crt, got none: .*BEGIN CERTIFICATE/,
      /^geodns.yaml:6:\d+ tls.certificates\[0\].key: expected a private key in PEM in site.key, got none: .*BEGIN PRIVATE KEY/,
    ],
  },
  {
    name: "the key of another certificate",
    damage: () => write("site.key", makeCertificate("other.test").key),
    says: [
      /^geodns.yaml:6:\d+ tls.certificates\[0\].key: expected the key of the certificate in site.crt, got another one in site.key \(one/,
    ],
  },
  {
    name: "faults in several files, all at once",
    damage: () => {
      for (const name of ["geo.mmdb", "filed.zone", "secrets", "site.crt"]) remove(name);
      remove(`keys/${keyName}.key`);
    },
    says: [
      /^geodns.yaml:15:11 /,
      /^geodns.yaml:11:20 /,
      /^geodns.yaml:4:17 /,
      /^geodns.yaml:6:\d+ /,
      /^geodns.yaml:5:23 /,
    ],
  },
];

/** While a name server runs, these are told where they are read, and what was set before stays in force. */
export const badOverrides: readonly Bad[] = [
  {
    name: "no folder for the overrides",
    damage: () => remove("state"),
    says: [
      "geodns.yaml:3:12 overrides: expected a folder state, got none (make it, and let the name server write in it)",
    ],
  },
  {
    name: "a folder in place of the overrides",
    damage: () => fs.mkdirSync(fileAt("state/overrides.yaml")),
    says: ["geodns.yaml:3:12 overrides: state/overrides.yaml: it is a directory"],
  },
  {
    name: "an override that is none",
    damage: () => write("state/overrides.yaml", "regions:\n  eu: dwon\n"),
    says: [
      'state/overrides.yaml:2:7 regions.eu: expected one of up, down, drain, got "dwon" (did you mean "down"?) [geodns.yaml:3:12 overrides]',
    ],
  },
];

export const bad: readonly Bad[] = [...badConfigs, ...badZones, ...badKeys, ...badOthers];
