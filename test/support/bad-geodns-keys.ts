import fs from "node:fs";
import { fileAt, halves, key, keyName, remove, write, writeKey } from "./geodns-files.ts";
import type { Bad } from "./geodns-files.ts";

const keysKey = '[geodns.yaml:11:20 dnsZones["stream.test"].dnssec.keys]';
const keysAt = 'geodns.yaml:11:20 dnsZones["stream.test"].dnssec.keys: ';

/** Keys that cannot be used. */
export const badKeys: readonly Bad[] = [
  {
    name: "a missing folder of keys",
    damage: () => remove("keys"),
    says: [
      `${keysAt}expected a folder of keys in keys, got none: there is no such folder (watershed dnssec keygen makes it, and a key in it)`,
    ],
  },
  {
    name: "a file in its place",
    damage: () => write("keys", "no folder"),
    says: [
      `${keysAt}expected a folder of keys in keys, got none: it is no folder (watershed dnssec keygen makes it, and a key in it)`,
    ],
  },
  {
    name: "an empty folder",
    damage: () => halves.forEach(([end]) => remove(`keys/${keyName}${end}`)),
    says: [
      `${keysAt}expected a key of stream.test. in keys, got 0 other files (watershed dnssec keygen stream.test. --dir keys makes one)`,
    ],
  },
  {
    name: "a private key that others may read",
    damage: () => fs.chmodSync(fileAt(`keys/${keyName}.private`), 0o644),
    says: [
      `${keysAt}expected a private key for its owner alone in keys/${keyName}.private, got mode 644 (chmod 600 keys/${keyName}.private)`,
    ],
  },
  {
    name: "half a key",
    damage: () => remove(`keys/${keyName}.key`),
    says: [
      `${keysAt}expected a key file in keys/${keyName}.key, got none: there is no such file (a key is two files, .key and .private)`,
    ],
  },
  {
    name: "a cut private key",
    damage: () => writeKey(".private", (text) => text.slice(0, 80)),
    says: [
      `keys/${keyName}.private:3:13: expected PrivateKey: 32 bytes in base64, got no base64 (the file may have been cut) ${keysKey}`,
    ],
  },
  {
    name: "another algorithm",
    damage: () => writeKey(".key", (text) => text.replace("257 3 13", "257 3 15")),
    says: [
      `keys/${keyName}.key:5:30: expected algorithm 13 (ECDSAP256SHA256), got 15 (only that is signed with: watershed dnssec keygen makes such a key) ${keysKey}`,
    ],
  },
  {
    name: "the key of another dnsZone",
    damage: () => writeKey(".key", (text) => text.replace("\nstream.test.", "\nstreem.test.")),
    says: [
      `keys/${keyName}.key:5:1: expected a key of stream.test., got one of streem.test. (the file's name says so) ${keysKey}`,
    ],
  },
  {
    name: "no key that is active",
    damage: () => writeKey(".private", (text) => text.replace("Activate: 1970", "Activate: 2100")),
    says: [
      `${keysAt}expected a key of stream.test. with flags 257 that is active, got ${key.key.tag} (flags 257, published) in keys (watershed dnssec set stream.test. TAG --activate now)`,
    ],
  },
];
