import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createKey } from "#geodns/dnssec/key-store.ts";
import { keyFlags } from "#geodns/dnssec/rdata.ts";
import { parseName } from "#geodns/wire/name.ts";
import { makeCertificate } from "./certificate.ts";
import { mmdb } from "./mmdb.ts";

/** The config of a name server that names a file of every kind, in a folder of its own. */

export const host = "127.207.0.1";
export const folder = fs.mkdtempSync(path.join(tmpdir(), "watershed-bad-"));
export const fileAt = (...names: readonly string[]) => path.join(folder, ...names);
export const secret = "00112233445566778899aabbccddeeff";
const streamTest = parseName("stream.test.", "")!;
const always = { publish: 0, activate: 0, inactive: undefined, delete: undefined };

export const config = `listen: ["${host}:5353"]
admin: "${host}:7900"
overrides: FOLDER/state/overrides.yaml
geo: {database: FOLDER/geo.mmdb, asnDatabase: FOLDER/asn.mmdb}
cookies: {secretFile: FOLDER/secrets}
tls: {listen: ["${host}:8853"], certificates: [{cert: FOLDER/site.crt, key: FOLDER/site.key}]}
regions: {eu: {location: [50, 10]}}
services: {web: {regions: {eu: {addresses: [192.0.2.1]}}}}
dnsZones:
  stream.test:
    dnssec: {keys: FOLDER/keys}
    soa: {primary: ns1, contact: hostmaster}
    records: {"@": {NS: [ns1]}, ns1: {A: [127.0.0.1]}, www: {geo: web}}
  filed.test:
    file: FOLDER/filed.zone
    records: {www: {geo: web}}
`;
export const zone = `@ 300 SOA ns1 hostmaster 7 3600 600 604800 30
@ NS ns1
ns1 A 192.0.2.53
`;

export function write(name: string, content: string | Uint8Array, mode = 0o644): void {
  fs.rmSync(fileAt(name), { recursive: true, force: true });
  fs.mkdirSync(path.dirname(fileAt(name)), { recursive: true });
  fs.writeFileSync(fileAt(name), typeof content === "string" ? content.replaceAll("FOLDER", folder) : content, {
    mode,
  });
}
export const remove = (name: string) => fs.rmSync(fileAt(name), { recursive: true });
export const asFolder = (name: string) => {
  remove(name);
  fs.mkdirSync(fileAt(name));
};
export const configWith = (from: string | RegExp, to: string) => write("geodns.yaml", config.replace(from, to));

const certificate = makeCertificate("ns1.stream.test");
export const key = createKey(fileAt("given"), streamTest, keyFlags.entryPoint, always, 0);
export const keyName = path.basename(key.base);
export const halves = [".key", ".private"].map((end) => [end, fs.readFileSync(`${key.base}${end}`, "utf8")] as const);

/** Everything as it should be. */
export function writeAll(): void {
  write("geodns.yaml", config);
  write("filed.zone", zone);
  write("geo.mmdb", mmdb({ "127.0.0.0/8": "DE" }));
  write("asn.mmdb", mmdb({ "127.0.0.0/8": 64_496 }));
  write("secrets", `# ours\n${secret}\n`);
  write("site.crt", certificate.cert);
  write("site.key", certificate.key);
  for (const name of ["keys", "state", "more.zone"]) fs.rmSync(fileAt(name), { recursive: true, force: true });
  for (const [end, text] of halves) write(`keys/${keyName}${end}`, text, 0o600);
  fs.mkdirSync(fileAt("state"));
}
export const writeKey = (end: ".key" | ".private", change: (text: string) => string) =>
  write(`keys/${keyName}${end}`, change(halves.find(([one]) => one === end)?.[1] ?? ""), 0o600);

/** A way in which the files of a name server can be bad. */
export interface Bad {
  readonly name: string;
  readonly damage: () => void;
  /** Every line, without the folder. */
  readonly says: readonly (string | RegExp)[];
}
