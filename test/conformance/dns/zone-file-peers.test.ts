import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { hasClient } from "#test/support/real-clients.ts";
import { Rig, hasDig } from "./rig.ts";

const run = promisify(execFile);
const isAble = hasDig && hasClient("named-checkzone");
const origin = "peer.test";
/** Every way of writing that RFC 1035 §5 knows, and the types that have a form of their own. */
const zone = `$TTL 1h
@   IN SOA ns1 host\\.master.peer.test. ( 2026010101 ; serial
        2h 15m 4w 30 )
    NS  ns1
    NS  ns2.peer.test.
    MX  10 mail
    MX  20 mail.example.org.
    TXT "v=spf1 -all" "two" three
    CAA 0 issue "ca.example.org; policy=ev"
    300 HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1
ns1 A 192.0.2.1
    AAAA 2001:db8::1
ns2 60 IN A 192.0.2.2
NS2 IN 60 A 192.0.2.3
mail A ( 192.0.2.4
  )
www CNAME @
*.wild A 192.0.2.5
a.b.c TXT "quoted \\"inside\\"" "semi;colon" "\\065\\066C" ""
_sip._tcp SRV 1 2 5060 mail
4.2.0.192.in-addr PTR mail
svc SVCB 1 svc.example.org. alpn=h2 port=53
alias SVCB 0 svc
loc TYPE65280 \\# 4 0A000001
hex A \\# 4 C0000207
sub NS ns.sub
sub DS 60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A
ns.sub A 192.0.2.8
sshfp SSHFP 4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789
_443._tcp TLSA 3 1 1 0C72AC70B745AC19998811B131D662C9AC69DBDBE7CB23E5B514B56664C5D3D6
naptr NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@peer.test!" .
dname DNAME other.example.
$ORIGIN deep.peer.test.
@   A 192.0.2.9
x   A 192.0.2.10
$TTL 5
y   A 192.0.2.11
`;

let folder: string;
let file: string;
let rig: Rig;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-peers-"));
  file = path.join(folder, "zone");
  await writeFile(file, zone);
  rig = await Rig.start(118, { dnsZones: { [origin]: { file } } });
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Owner, TTL, type and data, sorted; both programs print them in BIND's form. */
function recordsIn(printed: string): string[] {
  const lines = printed.split("\n").filter((line) => /\sIN\s/.test(line) && !line.startsWith(";"));
  return [
    ...new Set(
      lines.map((line) =>
        line
          .trim()
          .replaceAll(/\s+/g, " ")
          .replace(/^\S+/, (owner) => owner.toLowerCase()),
      ),
    ),
  ].toSorted();
}

it.skipIf(!isAble)(
  "a zone file holds the same records for us and for BIND (skipped without dig and named-checkzone)",
  async () => {
    const { stdout } = await run("named-checkzone", [
      "-i",
      "none",
      "-k",
      "ignore",
      "-s",
      "full",
      "-o",
      "-",
      "-D",
      "-q",
      origin,
      file,
    ]);
    const theirs = recordsIn(stdout).filter((line) => !line.startsWith("ns.sub.")); // glue goes with the referral
    expect(theirs).toHaveLength(31);
    const questions = new Set(theirs.map((line) => line.split(" ")).map(([owner, , , type]) => `${owner} ${type}`));
    const batch = path.join(folder, "batch");
    await writeFile(batch, `${[...questions].join("\n")}\n`);
    const { host, port } = parseSocketAddress(rig.address)!;
    const options = ["+tcp", "+noall", "+answer", "+authority", "+norec", "+tries=1"];
    const asked = await run("dig", [`@${host}`, "-p", String(port), ...options, "-f", batch], { maxBuffer: 1_048_576 });
    expect(recordsIn(asked.stdout)).toEqual(theirs);
  },
);
