import { spawn } from "node:child_process";
import { once } from "node:events";
import { typeName } from "#geodns/wire/codes.ts";
import type { ReadRecord, ReadReply } from "#test/support/dns.ts";

/** What another name server is asked beside ours: the same zone file, names and types. */

export const zoneFile = `$TTL 300
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

export const apex = "diff.test";
export const names = [
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
export const typeNames = ["A", "AAAA", "NS", "SOA", "CNAME", "TXT", "MX", "SRV", "CAA", "PTR", "TYPE731", "TYPE999"];

export interface Meaning {
  readonly rcode: number;
  readonly aa: boolean;
  readonly answers: readonly string[];
  readonly authority: readonly string[];
  readonly glue: readonly string[];
}

/** The sections as sets: order, compression and case of owners mean nothing. */
export function meaningOf({ rcode, aa, answers, authority, additional }: ReadReply): Meaning {
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

/** A name server of others, for one test file. */
export interface Peer {
  stop(): Promise<void>;
}

/** @param ready what it says on standard error once it answers
 * @throws if it ends before */
export function startPeer(program: string, argv: readonly string[], ready: string): Promise<Peer> {
  const child = spawn(program, argv, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  const stop = async () => {
    if (child.exitCode === null && child.kill("SIGTERM")) await ended;
  };
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes(ready)) resolve({ stop });
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`${program} ended with ${code}: ${said}`)));
  });
}
