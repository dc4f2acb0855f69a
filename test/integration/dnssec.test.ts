import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { dsOf, generateScalar, keyOf } from "#geodns/dnssec/key.ts";
import { createKey, loadKeys } from "#geodns/dnssec/key-store.ts";
import type { StoredKey } from "#geodns/dnssec/key-store.ts";
import { dnskeyText, dsText, keyFlags } from "#geodns/dnssec/rdata.ts";
import { parseName } from "#geodns/wire/name.ts";
import { UdpClient, queryBytes } from "#test/support/dns.ts";
import { GeodnsBench, addressesOf, american, dnsZone, german } from "#test/support/geodns.ts";
import { hasClient } from "#test/support/real-clients.ts";
import { Unbound } from "#test/support/unbound.ts";

const run = promisify(execFile);
const streamTest = parseName("stream.test.", "")!;
const childZone = parseName("child.stream.test.", "")!;
const active = { publish: 0, activate: 0, inactive: undefined, delete: undefined };

let bench: GeodnsBench;
let folder = "";
let keys: readonly StoredKey[] = [];

const config = (keyFolder: string) => {
  const zone = {
    ...dnsZone({
      "@": { NS: ["ns1"], geo: "web", TXT: ["v=spf1 -all"] },
      "deep.tree": { TXT: ["deep"] },
      "*.img": { CNAME: "www" },
      "*.txt": { TXT: ["wild"] },
      far: { CNAME: "not.there" },
      big: { TXT: ["x".repeat(1_500)] },
      www: { geo: "web", HTTPS: { alpn: ["h2"], port: 8443 } },
      moved: { DNAME: "img" },
      sub: { NS: ["ns.sub"] },
      "ns.sub": { A: ["192.0.2.53"] },
      child: { NS: ["ns1"], DS: [dsText(dsOf(childKey()))] },
    }),
    dnssec: { keys: path.join(folder, keyFolder) },
  };
  const child = { file: path.join(folder, "child.zone"), dnssec: { keys: path.join(folder, "child") } };
  const plain = { ...dnsZone({ "@": { NS: ["ns1.stream.test."] } }) };
  return bench.config({
    dnsZones: { "stream.test": zone, "child.stream.test": child, "plain.stream.test": plain },
  });
};
const madeForm = /signatures_total\{result="made".*\} (\d+)/;
const childKey = () => loadKeys(path.join(folder, "child"), childZone)[0]!.key;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "watershed-dnssec-"));
  createKey(path.join(folder, "one"), streamTest, keyFlags.entryPoint, active, 0);
  keys = loadKeys(path.join(folder, "one"), streamTest);
  createKey(path.join(folder, "child"), childZone, keyFlags.entryPoint, active, 0);
  const text = "@ 300 SOA ns1.stream.test. h 1 1h 1h 1h 30\n NS ns1.stream.test.\nhost A 192.0.2.7\n*.w TXT wild\n";
  await writeFile(path.join(folder, "child.zone"), text);
  bench = await GeodnsBench.open(92);
  await bench.startReady(config("one"));
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const label = "n".repeat(63);
/** 255 bytes in wire form: there is no name behind it that is longer. */
const longestName = [label, label, label, "n".repeat(49), "stream.test"].join(".");

/** Each with what every validator must make of it. */
const questions: readonly { what: string; name: string; type: string; code: number; negative?: boolean }[] = [
  { what: "the SOA", name: "stream.test", type: "SOA", code: 6 },
  { what: "the keys", name: "stream.test", type: "DNSKEY", code: 48 },
  { what: "the keys for the parent", name: "stream.test", type: "CDS", code: 59 },
  { what: "a static record", name: "ns1.stream.test", type: "A", code: 1 },
  { what: "a steered name", name: "www.stream.test", type: "A", code: 1 },
  { what: "the steered apex", name: "stream.test", type: "A", code: 1 },
  { what: "an alias", name: "api.stream.test", type: "A", code: 1 },
  { what: "a wildcard", name: "a.b.txt.stream.test", type: "TXT", code: 16 },
  { what: "a wildcard that is an alias of a steered name", name: "x.img.stream.test", type: "A", code: 1 },
  { what: "an answer that needs TCP", name: "big.stream.test", type: "TXT", code: 16 },
  { what: "NODATA", name: "ns1.stream.test", type: "MX", code: 15, negative: true },
  { what: "NODATA of a steered name", name: "www.stream.test", type: "TXT", code: 16, negative: true },
  { what: "NODATA of another address family", name: "www.stream.test", type: "AAAA", code: 28, negative: true },
  { what: "NODATA of a wildcard", name: "x.txt.stream.test", type: "A", code: 1, negative: true },
  { what: "an empty non-terminal", name: "tree.stream.test", type: "A", code: 1, negative: true },
  { what: "a name that is not there", name: "none.stream.test", type: "A", code: 1, negative: true },
  { what: "one below a name that is", name: "x.www.stream.test", type: "A", code: 1, negative: true },
  { what: "one below an empty non-terminal", name: "x.tree.stream.test", type: "A", code: 1, negative: true },
  { what: "a name with a label of 63 bytes", name: `${label}.stream.test`, type: "A", code: 1, negative: true },
  { what: "a name as long as can be", name: longestName, type: "A", code: 1, negative: true },
  { what: "a name in upper and lower case", name: "NoT.wWw.StReAm.tEsT", type: "A", code: 1, negative: true },
  { what: "a steered name in upper case", name: "WWW.STREAM.TEST", type: "A", code: 1 },
  { what: "HTTPS of a steered name", name: "www.stream.test", type: "HTTPS", code: 65 },
  { what: "the DS of a delegation", name: "child.stream.test", type: "DS", code: 43 },
  { what: "that a delegation has no DS", name: "sub.stream.test", type: "DS", code: 43, negative: true },
  { what: "that a dnsZone of ours has no DS", name: "plain.stream.test", type: "DS", code: 43, negative: true },
  { what: "a dnsZone out of a file, by its DS", name: "host.child.stream.test", type: "A", code: 1 },
  { what: "its wildcard", name: "x.w.child.stream.test", type: "TXT", code: 16 },
  { what: "its keys", name: "child.stream.test", type: "DNSKEY", code: 48 },
  { what: "NODATA of it", name: "host.child.stream.test", type: "AAAA", code: 28, negative: true },
  { what: "a name that is not in it", name: "no.child.stream.test", type: "A", code: 1, negative: true },
  { what: "a DNAME", name: "moved.stream.test", type: "DNAME", code: 39 },
  { what: "an alias to a name that is not there", name: "far.stream.test", type: "A", code: 1 },
];

const publicKey = () => dnskeyText(keys[0]!.key.dnskey);
const otherPublicKey = () => dnskeyText(keyOf(streamTest, keyFlags.entryPoint, generateScalar(), active).dnskey);

/** What delv says of one question, trusting this key alone. */
async function delv(client: string, name: string, type: string, key = publicKey()): Promise<string> {
  const [flags, protocol, algorithm, base64] = key.split(" ");
  const anchor = path.join(folder, `anchor-${client}-${base64!.slice(0, 8).replaceAll("/", "_")}`);
  const trusted = `"stream.test." static-key ${flags} ${protocol} ${algorithm} "${base64}"`;
  await writeFile(anchor, `trust-anchors { ${trusted}; };\n`);
  const { host, port } = parseSocketAddress(bench.address)!;
  const argv = [`@${host}`, "-p", String(port), "-b", client, "-a", anchor, "+root=stream.test", name, type];
  const { stdout, stderr } = await run("delv", argv);
  return stdout + stderr;
}

describe.runIf(hasClient("delv"))("delv", () => {
  it.each(questions)("validates $what", async ({ name, type, negative }) => {
    const said = await delv(german, name, type);
    expect(said).toContain(negative ? "; negative response, fully validated" : "; fully validated");
    expect(said).not.toContain("unsigned");
  });

  it("validates the answer of each region", async () => {
    for (const [client, region] of [
      [german, bench.euWest],
      [american, bench.usEast],
    ] as const) {
      const said = await delv(client, "www.stream.test", "A");
      expect(said).toContain("; fully validated");
      for (const address of region) expect(said).toContain(address);
    }
  });

  it("sees that a delegated dnsZone without DS is not signed", async () => {
    const said = await delv(german, "www.plain.stream.test", "A");
    expect(said).toContain("; unsigned answer");
  });

  it.each(["www.stream.test", "none.stream.test"])("trusts nothing of %s by another key", async (name) => {
    expect(await delv(german, name, "A", otherPublicKey())).toContain("resolution failed: broken trust chain");
  });
});

describe.runIf(hasClient("kdig"))("kdig +dnssec", () => {
  it("sees signatures, and NOERROR with NXNAME for a name that is not there", async () => {
    const { host, port } = parseSocketAddress(bench.address)!;
    const ask = async (...argv: string[]) => (await run("kdig", [`@${host}`, "-p", String(port), ...argv])).stdout;
    const positive = await ask("+dnssec", "www.stream.test");
    expect(positive).toMatch(/flags: do; UDP size: 1232 B/);
    // Whatever the TTL: it is lower while a region is changing.
    expect(positive).toMatch(/^www\.stream\.test\.\s+(\d+)\s+IN\s+RRSIG\s+A 13 3 \1 /m);
    const negative = await ask("+dnssec", "none.stream.test");
    expect(negative).toContain("status: NOERROR");
    expect(negative).toMatch(/IN\s+NSEC\s+\\000\.none\.stream\.test\. RRSIG NSEC (?:TYPE128|NXNAME)$/m);
    expect(await ask("none.stream.test")).toContain("status: NXDOMAIN");
  });
});

describe.runIf(hasClient("unbound"))("unbound", () => {
  const resolver = (host: number, outgoing: string, key: string) =>
    Unbound.start({
      listen: `127.92.54.${host}:5300`,
      outgoing,
      dnsZone: "stream.test",
      nameServer: bench.address,
      trustAnchors: [`stream.test. DNSKEY ${key}`],
    });
  const recursionDesired = 0x0100;
  const authenticData = 0x0020;
  const ask = async ({ address }: Unbound, name: string, type: number) => {
    using udp = new UdpClient(address);
    return await udp.ask(queryBytes({ name, type, flags: recursionDesired, edns: { flags: 0x8000 } }));
  };

  it("validates every answer, positive and negative", async () => {
    await using unbound = await resolver(1, german, publicKey());
    const seen = [];
    // Twice: the second time out of its cache, where it also concludes from the NSEC of other names (RFC 8198).
    for (const { name, code } of [...questions, ...questions]) {
      const reply = await ask(unbound, name, code);
      seen.push({ name, code, rcode: reply.rcode, authentic: (reply.reserved & authenticData) !== 0 });
    }
    const wanted = questions.map(({ name, code }) => ({ name, code, rcode: 0, authentic: true }));
    expect(seen).toEqual([...wanted, ...wanted]);
  });

  it("validates what a DNAME makes, and takes a delegated dnsZone without DS as not signed", async () => {
    await using unbound = await resolver(5, german, publicKey());
    for (const { name, authentic } of [
      { name: "x.moved.stream.test", authentic: authenticData },
      { name: "www.plain.stream.test", authentic: 0 },
    ]) {
      const reply = await ask(unbound, name, 1);
      expect({ rcode: reply.rcode, authentic: reply.reserved & authenticData }).toEqual({ rcode: 0, authentic });
      expect(addressesOf(reply)).toEqual(bench.euWest);
    }
  });

  it("validates the answer of each region", async () => {
    for (const [outgoing, region, host] of [
      [german, bench.euWest, 2],
      [american, bench.usEast, 3],
    ] as const) {
      await using unbound = await resolver(host, outgoing, publicKey());
      const reply = await ask(unbound, "www.stream.test", 1);
      expect(reply.reserved & authenticData).toBe(authenticData);
      expect(addressesOf(reply)).toEqual(region);
    }
  });

  it("answers SERVFAIL where another key is trusted", async () => {
    await using unbound = await resolver(4, german, otherPublicKey());
    for (const name of ["www.stream.test", "none.stream.test"])
      expect(await ask(unbound, name, 1)).toMatchObject({ rcode: 2, answers: [] });
  });
});

describe.runIf(hasClient("dnssec-keygen") && hasClient("delv"))("dnssec-keygen", () => {
  const keygen = (...argv: string[]) =>
    run("dnssec-keygen", ["-q", "-K", path.join(folder, "bind"), "-a", "13", ...argv]);

  it("makes keys that are taken: an entry point, a zone-signing key, and one that is only shown", async () => {
    await mkdir(path.join(folder, "bind"), { mode: 0o700 });
    for (const argv of [["-f", "KSK"], [], ["-A", "none"]]) await keygen(...argv, "stream.test");
    const bind = loadKeys(path.join(folder, "bind"), streamTest).map(({ key }) => key);
    await bench.server.reload(config("bind"));
    try {
      const shown = await delv(
        german,
        "stream.test",
        "DNSKEY",
        dnskeyText(bind.find((key) => key.isEntryPoint)!.dnskey),
      );
      for (const { tag } of bind) expect(shown).toContain(`key id = ${tag}`);
      for (const { name, type } of questions)
        expect(await delv(german, name, type, dnskeyText(bind.find((key) => key.isEntryPoint)!.dnskey))).toContain(
          "fully validated",
        );
    } finally {
      await bench.server.reload(config("one"));
    }
  });
});

describe("what is told of signatures", () => {
  it("explain says by which key an answer is signed, and that a name which is not there is NOERROR with a proof", () => {
    const told = (name: string) => bench.explain({ name, client: german });
    const signed = { dnsZone: "stream.test", keys: [keys[0]!.key.tag] };
    expect(told("www.stream.test")).toMatchObject({ rcode: "NOERROR", dnssec: { ...signed, rcode: "NOERROR" } });
    expect(told("none.stream.test")).toMatchObject({ rcode: "NXDOMAIN", dnssec: { ...signed, rcode: "NOERROR" } });
    for (const name of ["x.sub.stream.test", "example.org"]) expect(told(name)).toMatchObject({ dnssec: null });
    expect(told("www.plain.stream.test")).toMatchObject({ dnssec: null });
  });

  it("counts the signatures that are made for a made-up name, once", async () => {
    const made = async () => Number(madeForm.exec(await bench.host.metrics.render())?.[1]);
    const madeForAnother = async () => {
      const before = await made(); // answers signed ahead may be counted too: then another name is asked for
      for (let i = 0; i < 2; i++) await bench.ask(german, { name: `n${before}.stream.test`, edns: { flags: 0x8000 } });
      return (await made()) - before;
    };
    await expect.poll(madeForAnother).toBe(1); // its NSEC; the SOA was signed before
  });
});

describe("a reload", () => {
  const signedBy = async () => {
    const { answers } = await bench.ask(german, { type: 6, name: "stream.test", edns: { flags: 0x8000 } });
    return answers.filter(({ type }) => type === 46).map(({ data }) => data.readUInt16BE(16));
  };
  it("takes other keys; missing, unsafe and broken ones are refused, and the old ones go on", async () => {
    const before = await signedBy();
    expect(before).toEqual(keys.map(({ key }) => key.tag));
    await expect(bench.server.reload(config("missing"))).rejects.toThrow(
      /expected a folder of keys in .*missing, got none: there is no such folder/,
    );
    const { key, base } = createKey(path.join(folder, "two"), streamTest, keyFlags.entryPoint, active, 0);
    await chmod(`${base}.private`, 0o640);
    await expect(bench.server.reload(config("two"))).rejects.toThrow(`chmod 600 ${base}.private`);
    await chmod(`${base}.private`, 0o600);
    await writeFile(`${base}.key`, "broken");
    await expect(bench.server.reload(config("two"))).rejects.toThrow(`${base}.key:1:1: expected NAME`);
    expect(await signedBy()).toEqual(before);

    await writeFile(`${base}.key`, `stream.test. IN DNSKEY ${dnskeyText(key.dnskey)}\n`);
    await bench.server.reload(config("two"));
    expect(await signedBy()).toEqual([key.tag]);
    expect(bench.server.status()["dnssec"]).toEqual([
      { dnsZone: "stream.test.", keys: [{ tag: key.tag, flags: 257, state: "active" }] },
      { dnsZone: "child.stream.test.", keys: [{ tag: childKey().tag, flags: 257, state: "active" }] },
    ]);
    await bench.server.reload(config("one"));
    expect(await signedBy()).toEqual(before);
  });
});

describe.runIf(hasClient("delv"))("while a region fails", () => {
  it("delv validates the answer of the next one", async () => {
    const fail = (says: "ok" | "error") => bench.routers.slice(0, 2).forEach((router) => void (router.says = says));
    fail("error");
    try {
      await bench.until(() => bench.upCount === 2);
      const said = await delv(german, "www.stream.test", "A");
      expect(said).toContain("; fully validated");
      for (const address of bench.usEast) expect(said).toContain(address);
    } finally {
      fail("ok");
      await bench.until(() => bench.upCount === 4);
    }
  });
});
