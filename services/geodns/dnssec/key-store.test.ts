import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseName } from "../wire/name.ts";
import { keyOf, nextChange, stateOf } from "./key.ts";
import { createKey, loadKeys, setTimes } from "./key-store.ts";
import { formatPrivateKey, formatPublicKey } from "./key-text.ts";
import { keyFlags } from "./rdata.ts";

// dnssec-keygen of BIND 9.18.49: -a 13 -f KSK stream.test, and -a 13 -A none stream.test; 2026-11-25.
const bindEntryPoint = {
  name: "Kstream.test.+013+33064",
  key: `; This is a key-signing key, keyid 33064, for stream.test.
; Created: 20261125191841 (Wed Nov 25 19:18:41 2026)
; Publish: 20261125191841 (Wed Nov 25 19:18:41 2026)
; Activate: 20261125191841 (Wed Nov 25 19:18:41 2026)
stream.test. IN DNSKEY 257 3 13 o2hnXWIxfksuEGB0madSKLHh4Jjl4LdFOG519LYMfcIUnWoaECGPmpzi aHk6bHi1dc1ITU+RD9vk1g4EGjQEKQ==
`,
  private: `Private-key-format: v1.3
Algorithm: 13 (ECDSAP256SHA256)
PrivateKey: VE+lcUrgXzEHf56SBfxdKZuz5R9wVkAUeP9wGfswzMA=
Created: 20261125191841
Publish: 20261125191841
Activate: 20261125191841
`,
};
const bindPublished = {
  name: "Kstream.test.+013+39751",
  key: `; This is a zone-signing key, keyid 39751, for stream.test.
stream.test. IN DNSKEY 256 3 13 RYETvEHbIv7TvyHcWkbmMY81OL7dimhW1foIQr9gTTTx+D5Wm3ItgDg0 psU0N5KZOSr97E17gptihzNBTZogyw==
`,
  private: `Private-key-format: v1.3
Algorithm: 13 (ECDSAP256SHA256)
PrivateKey: ca1CGt7RC9CtZYpN11y80XmyiY24H4X0kzjihH7F4Iw=
Created: 20261125191841
Publish: 20261125191841
`,
};
// ldns-keygen 1.8.3: -a ECDSAP256SHA256 -k example.test; 2026-11-25.
const ldnsEntryPoint = {
  name: "Kexample.test.+013+10444",
  key: `example.test.	IN	DNSKEY	257 3 13 5J9oLPo7jCJybba2//oGLhBUHwtaRj+fPA3mmKZrgm3oE//WBS9RCRStWQU45Ohvv3kQvTY7LgL1udgpFP0pAw== ;{id = 10444 (ksk), size = 256b}
`,
  private: `Private-key-format: v1.2
Algorithm: 13 (ECDSAP256SHA256)
PrivateKey: No9xH/5J5xfGvf5i6qtSxekyGuccc6Veut5X8gkCWVA=
`,
};
const always = { publish: 0, activate: 0, inactive: undefined, delete: undefined };
const created = 1_795_634_321; // 2026-11-25 19:18:41 UTC

const streamTest = parseName("stream.test.", "")!;
const exampleTest = parseName("example.test.", "")!;

let folder = "";
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-keys-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true });
});

type Files = typeof bindEntryPoint;
function put({ name, ...files }: Files, changes: Partial<Files> = {}): void {
  const stem = changes.name ?? name;
  for (const [kind, text] of Object.entries({ ...files, ...changes }))
    if (kind !== "name") fs.writeFileSync(path.join(folder, `${stem}.${kind}`), text, { mode: 0o600 });
}

describe("keys of a folder", () => {
  it("are those of the dnsZone, as BIND and ldns write them", () => {
    for (const files of [bindEntryPoint, bindPublished, ldnsEntryPoint]) put(files);
    const [first, second] = loadKeys(folder, streamTest).map(({ key }) => key);
    expect(first).toMatchObject({ tag: 33_064, isEntryPoint: true });
    expect(second).toMatchObject({ tag: 39_751, isEntryPoint: false });
    expect([first, second].map((key) => stateOf(key!, created))).toEqual(["active", "published"]);
    expect(stateOf(first!, created - 1)).toBe("hidden");
    const [other] = loadKeys(folder, exampleTest);
    expect(stateOf(other!.key, created)).toBe("active");
  });

  it("in a record over several lines, with a TTL", () => {
    const key = `stream.test. 3600 IN DNSKEY 257 3 ECDSAP256SHA256 ( ; the key
      o2hnXWIxfksuEGB0madSKLHh4Jjl4LdFOG519LYMfcIU
      nWoaECGPmpziaHk6bHi1dc1ITU+RD9vk1g4EGjQEKQ== )\n`;
    put(bindEntryPoint, { key });
    expect(loadKeys(folder, streamTest)[0]?.key.tag).toBe(33_064);
  });

  it("with a private number whose leading zeros were left out", () => {
    const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);
    const key = keyOf(streamTest, keyFlags.entryPoint, one, always);
    const name = `Kstream.test.+013+${String(key.tag).padStart(5, "0")}`;
    const text = formatPrivateKey(one, always, created).replace(/PrivateKey: .*/, "PrivateKey: AQ==");
    put({ name, key: formatPublicKey(key, always, created), private: text });
    expect(loadKeys(folder, streamTest)[0]?.key.tag).toBe(key.tag);
  });

  const wrong: readonly { what: string; changes?: Partial<Files>; damage?: (base: string) => void; says: string }[] = [
    {
      what: "a private key that others may read",
      damage: (base) => fs.chmodSync(`${base}.private`, 0o644),
      says: "33064.private: expected a private key for its owner alone, got mode 644 (chmod 600 ",
    },
    {
      what: "a private key that the group may write",
      damage: (base) => fs.chmodSync(`${base}.private`, 0o620),
      says: "got mode 620",
    },
    {
      what: "no private key",
      damage: (base) => fs.rmSync(`${base}.private`),
      says: "33064.private: expected a key file, got none: there is no such file",
    },
    {
      what: "no public key",
      damage: (base) => fs.rmSync(`${base}.key`),
      says: "33064.key: expected a key file, got none: there is no such file",
    },
    {
      what: "a cut private key",
      changes: { private: bindEntryPoint.private.slice(0, 90) },
      says: "33064.private:3:13: expected PrivateKey: 32 bytes in base64, got no base64",
    },
    {
      what: "a private key of zeros",
      changes: { private: bindEntryPoint.private.replace(/VE\S+/, `${"A".repeat(43)}=`) },
      says: "33064.private:3:13: expected a private key of curve P-256",
    },
    {
      what: "a private key of another pair",
      changes: { private: bindPublished.private },
      says: "33064.key:5:33: expected the other half of Kstream.test.+013+33064.private, got another key",
    },
    {
      what: "another algorithm",
      changes: { private: bindEntryPoint.private.replace("13 (ECDSAP256SHA256)", "8 (RSASHA256)") },
      says: "33064.private:2:12: expected algorithm 13 (ECDSAP256SHA256), got 8 (RSASHA256)",
    },
    {
      what: "text that is none of a private key",
      changes: { private: "secret\n" },
      says: "33064.private:1:1: expected FIELD: VALUE",
    },
    {
      what: "a time that is none",
      changes: { private: bindEntryPoint.private.replace("Activate: 2026", "Activate: now") },
      says: "33064.private:6:11: expected Activate: YYYYMMDDHHmmSS",
    },
    { what: "an empty public key", changes: { key: "; nothing\n" }, says: "33064.key:1:1: expected a DNSKEY record" },
    {
      what: "a revoked key",
      changes: { key: bindEntryPoint.key.replace("257 3", "385 3") },
      says: "33064.key:5:24: expected flags 256 (zone key) or 257 (entry point), got 385",
    },
    {
      what: "a public key of another length",
      changes: { key: bindEntryPoint.key.replace("EKQ==", "") },
      says: "33064.key:5:33: expected a key of 64 bytes in base64",
    },
    {
      what: "the key of another dnsZone",
      changes: { key: bindEntryPoint.key.replace("stream.test. IN", "other.test. IN") },
      says: "33064.key:5:1: expected a key of stream.test., got one of other.test.",
    },
    {
      what: "a file with the name of another key",
      changes: { name: "Kstream.test.+013+00001" },
      says: "00001.key:5:33: expected the key whose tag is in the name of its file, got one of tag 33064",
    },
  ];

  it.each(wrong)("are refused for $what", ({ changes, damage, says }) => {
    put(bindEntryPoint, changes);
    damage?.(path.join(folder, bindEntryPoint.name));
    expect(() => loadKeys(folder, streamTest)).toThrow(says);
  });

  it("are refused with everything that is wrong", () => {
    put(bindEntryPoint, { private: "" });
    put(bindPublished, { key: "" });
    expect(() => loadKeys(folder, streamTest)).toThrow(/33064\.private:1:1.*\n.*39751\.key:1:1/);
  });

  it("are refused where there is none, or no folder", () => {
    put(ldnsEntryPoint);
    expect(() => loadKeys(folder, streamTest)).toThrow(
      "expected a key of stream.test., got 2 other files (watershed dnssec keygen stream.test. --dir ",
    );
    expect(() => loadKeys(path.join(folder, "missing"), streamTest)).toThrow(
      "missing: expected a folder of keys, got none: there is no such folder (",
    );
  });
});

describe("a key that is made", () => {
  const times = { publish: created, activate: created, inactive: undefined, delete: undefined };

  it("is read back, its private file for the owner only", () => {
    const made = createKey(folder, streamTest, keyFlags.entryPoint, times, created);
    const [read] = loadKeys(folder, streamTest);
    expect(read?.base).toBe(made.base);
    expect(Buffer.from(read!.key.dnskey)).toEqual(Buffer.from(made.key.dnskey));
    expect(read?.key.times).toEqual(times);
    expect(fs.statSync(`${made.base}.private`).mode & 0o777).toBe(0o600);
  });

  it("is written over nothing", () => {
    const made = createKey(folder, streamTest, keyFlags.zone, times, created);
    const before = fs.readFileSync(`${made.base}.private`, "utf8");
    for (let i = 0; i < 8; i++) createKey(folder, streamTest, keyFlags.zone, times, created);
    expect(loadKeys(folder, streamTest)).toHaveLength(9);
    expect(fs.readFileSync(`${made.base}.private`, "utf8")).toBe(before);
  });

  it("in a folder that cannot be made says so", () => {
    const file = path.join(folder, "file");
    fs.writeFileSync(file, "");
    expect(() => createKey(file, streamTest, keyFlags.zone, times, created)).toThrow("cannot be made");
  });

  it("changes its times, and nothing else", () => {
    put(bindEntryPoint);
    const [stored] = loadKeys(folder, streamTest);
    setTimes(stored!, { ...times, inactive: created + 60, delete: created + 120 });
    const [{ key }] = loadKeys(folder, streamTest) as [typeof stored & {}];
    expect([0, 60, 120].map((after) => stateOf(key, created + after))).toEqual(["active", "retired", "removed"]);
    expect([-1, 0, 60, 120].map((after) => nextChange(key, created + after))).toEqual([
      created,
      created + 60,
      created + 120,
      undefined,
    ]);
    expect(fs.readFileSync(`${stored!.base}.private`, "utf8")).toBe(
      `${bindEntryPoint.private}Inactive: 20261125191941\nDelete: 20261125192041\n`,
    );
    expect(fs.readFileSync(`${stored!.base}.key`, "utf8").split("\n").at(-2)).toBe(
      bindEntryPoint.key.split("\n").at(-2),
    );
    expect(fs.readdirSync(folder)).toHaveLength(2);
  });
});
