import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseType, typeName } from "#geodns/wire/codes.ts";
import { UdpClient, queryBytes } from "#test/support/dns.ts";
import type { ReadRecord, ReadReply } from "#test/support/dns.ts";
import { GeodnsBench } from "#test/support/geodns.ts";
import { hasClient } from "#test/support/real-clients.ts";

const zoneFile = `$TTL 300
@ 600 SOA ns1 hostmaster 7 3600 600 604800 30
@ NS ns1
@ NS ns2
@ MX 10 mail
@ TXT "v=spf1 -all"
@ CAA 0 issue "ca.example"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
ns2 A 192.0.2.2
mail 60 A 192.0.2.3
www A 192.0.2.4
www A 192.0.2.5
www AAAA 2001:db8::5
_sip._tcp SRV 0 5 5060 mail
ptr PTR www
odd TYPE731 \\# 3 abcdef
alias CNAME www
chain CNAME alias
gone CNAME nowhere
away CNAME www.example.org.
a.deep.ent TXT "below"
*.wild A 192.0.2.8
*.wild TXT "wild"
here.wild TXT "itself"
b.there.wild A 192.0.2.9
*.star CNAME www
sub NS ns.sub
sub NS ns1
ns.sub A 192.0.2.53
into CNAME x.sub
`;

const apex = "diff.test";
const names = [
  "",
  "ns1.",
  "mail.",
  "www.",
  "_sip._tcp.",
  "ptr.",
  "odd.",
  "alias.",
  "chain.",
  "gone.",
  "away.",
  "a.deep.ent.",
  "deep.ent.",
  "ent.",
  "x.ent.",
  "x.a.deep.ent.",
  "none.",
  "x.y.none.",
  "x.www.",
  "wild.",
  "x.wild.",
  "x.y.wild.",
  "*.wild.",
  "here.wild.",
  "x.here.wild.",
  "there.wild.",
  "x.there.wild.",
  "star.",
  "x.star.",
  "sub.",
  "x.sub.",
  "ns.sub.",
  "into.",
  "WwW.",
].map((label) => `${label}${apex}`);
const typeNames = ["A", "AAAA", "NS", "SOA", "CNAME", "TXT", "MX", "SRV", "CAA", "PTR", "TYPE731", "TYPE999"];

interface Meaning {
  readonly rcode: number;
  readonly aa: boolean;
  readonly answers: readonly string[];
  readonly authority: readonly string[];
  readonly glue: readonly string[];
}

/** Where the two differ, each for its reason. */
const differences = {
  /** gdnsd answers with a CNAME alone, and is asked for its target anew; we go on as far as we know (RFC 1034 §4.3.2). */
  async followed(udp: UdpClient, name: string, type: number): Promise<ReadReply> {
    const first = await udp.ask(queryBytes({ name, type }));
    const target = type === 5 ? undefined : first.answers.find((record) => record.type === 5)?.text;
    if (!target?.endsWith(`.${apex}`)) return first;
    const next = await differences.followed(udp, target, type);
    return { ...next, aa: first.aa, answers: [...first.answers, ...next.answers] };
  },
  /** gdnsd gives the SOA itself the TTL of negative answers too; we give it its own (RFC 2308 §3 speaks of negative ones). */
  soaTtl: (name: string, { answers, ...rest }: Meaning): Meaning => ({
    ...rest,
    answers: answers.map((text) => text.replace(new RegExp(`^${name} \\d+ SOA`), `${name} SOA`)),
  }),
};

/** The sections as sets: order, compression and case of owners mean nothing. */
function meaningOf({ rcode, aa, answers, authority, additional }: ReadReply): Meaning {
  const show = (records: readonly ReadRecord[]) =>
    records
      .map(
        ({ name, type, ttl, plain }) =>
          `${name.toLowerCase()} ${ttl} ${typeName(type)} ${Buffer.from(plain).toString("hex")}`,
      )
      .toSorted();
  const isReferral = authority.some(({ type }) => type === 2);
  const glue = isReferral ? show(additional.filter(({ name }) => name.endsWith(`sub.${apex}`))) : [];
  return { rcode, aa, answers: show(answers), authority: show(authority), glue };
}

describe.runIf(hasClient("gdnsd"))("gdnsd serves the same zone file", () => {
  const peer = "127.95.53.2:5300";
  let folder = "";
  let bench: GeodnsBench;
  let gdnsd: ChildProcess;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "watershed-differential-"));
    await mkdir(path.join(folder, "zones"));
    const file = path.join(folder, "zones", apex);
    await writeFile(file, zoneFile);
    const options = `listen => [ ${peer} ], udp_threads => 1, tcp_threads => 1, run_dir => ${folder}, state_dir => ${folder}`;
    await writeFile(path.join(folder, "config"), `options => { ${options} }\n`);
    bench = await GeodnsBench.open(95);
    await bench.start(bench.config({ services: {}, dnsZones: { [apex]: { file } } }));
    gdnsd = spawn("gdnsd", ["-c", folder, "start"], { stdio: ["ignore", "ignore", "pipe"] });
    await started(gdnsd);
  });
  afterAll(async () => {
    const ended = new Promise((resolve) => gdnsd.once("exit", resolve));
    if (gdnsd.exitCode === null && gdnsd.kill("SIGTERM")) await ended;
    await bench[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it.each(names)("%s means the same, whatever the type", async (name) => {
    using ours = new UdpClient(bench.address);
    using theirs = new UdpClient(peer);
    const differing = [];
    for (const label of typeNames) {
      const type = parseType(label)!;
      const [own, other] = [
        await ours.ask(queryBytes({ name, type })),
        await differences.followed(theirs, name, type),
      ].map((reply) => differences.soaTtl(apex, meaningOf(reply)));
      if (JSON.stringify(own) !== JSON.stringify(other)) differing.push({ label, own, other });
    }
    expect(differing).toEqual([]);
  });
});

/** Resolves once it answers. @throws if it ends before */
function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("DNS listeners started")) resolve();
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`gdnsd ended with ${code}: ${said}`)));
  });
}
