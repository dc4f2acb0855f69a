import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseType } from "#geodns/wire/codes.ts";
import { UdpClient, queryBytes } from "#test/support/dns.ts";
import type { ReadReply } from "#test/support/dns.ts";
import { GeodnsBench } from "#test/support/geodns.ts";
import { hasClient, hasPowerDnsZones } from "#test/support/real-clients.ts";
import { apex, meaningOf, names, startPeer, typeNames, zoneFile } from "./differential.ts";
import type { Meaning, Peer } from "./differential.ts";

/** A name server of others, and where it differs from ours, each for its reason. */
interface Other {
  readonly name: string;
  readonly isThere: boolean;
  /** Second octet of our address; the peer has the next host. */
  readonly network: number;
  start(folder: string, file: string, address: { host: string; port: number }): Promise<Peer>;
  ask(udp: UdpClient, name: string, type: number): Promise<ReadReply>;
  /** What both replies say, but for the differences. */
  alike(meaning: Meaning, name: string, type: number): Meaning;
}

const gdnsd: Other = {
  name: "gdnsd",
  isThere: hasClient("gdnsd"),
  network: 95,
  async start(folder, _file, { host, port }) {
    const threads = `udp_threads => 1, tcp_threads => 1, run_dir => ${folder}, state_dir => ${folder}`;
    await writeFile(path.join(folder, "config"), `options => { listen => [ ${host}:${port} ], ${threads} }\n`);
    return startPeer("gdnsd", ["-c", folder, "start"], "DNS listeners started");
  },
  /** It answers with a CNAME alone, and is asked for its target anew; we go on as far as we know (RFC 1034 §4.3.2). */
  async ask(udp, name, type) {
    const first = await udp.ask(queryBytes({ name, type }));
    const target = type === 5 ? undefined : first.answers.find((record) => record.type === 5)?.text;
    if (!target?.endsWith(`.${apex}`)) return first;
    const next = await gdnsd.ask(udp, target, type);
    return { ...next, aa: first.aa, answers: [...first.answers, ...next.answers] };
  },
  /** It gives the SOA itself the TTL of negative answers too; we give it its own (RFC 2308 §3 speaks of negative ones). */
  alike: ({ answers, ...rest }) => ({
    ...rest,
    answers: answers.map((text) => text.replace(new RegExp(`^${apex} \\d+ SOA`), `${apex} SOA`)),
  }),
};

const powerDns: Other = {
  name: "PowerDNS",
  isThere: hasPowerDnsZones(),
  network: 96,
  async start(folder, file, { host, port }) {
    await writeFile(path.join(folder, "named.conf"), `zone "${apex}" { type master; file "${file}"; };\n`);
    const options = {
      "config-dir": folder,
      "socket-dir": folder,
      launch: "bind",
      "bind-config": path.join(folder, "named.conf"),
      "local-address": host,
      "local-port": port,
      daemon: "no",
      guardian: "no",
      "cache-ttl": 0,
    };
    const argv = Object.entries(options).map(([key, value]) => `--${key}=${value}`);
    return startPeer("pdns_server", argv, "ready to distribute questions");
  },
  ask: (udp, name, type) => udp.ask(queryBytes({ name, type })),
  /** To a question for CNAME at a wildcard it adds the SOA, as if there were nothing; we answer as at any other name (RFC 4592 §3.3.1). */
  alike: (meaning, name, type) => (name === `x.star.${apex}` && type === 5 ? { ...meaning, authority: [] } : meaning),
};

for (const other of [gdnsd, powerDns])
  describe.skipIf(!other.isThere)(`${other.name} serves the same zone file (skipped where it is not installed)`, () => {
    compare(other);
  });

function compare(other: Other): void {
  const peerAt = { host: `127.${other.network}.53.2`, port: 5_300 };
  let folder = "";
  let bench: GeodnsBench;
  let peer: Peer;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), "watershed-differential-"));
    await mkdir(path.join(folder, "zones"));
    const file = path.join(folder, "zones", apex);
    await writeFile(file, zoneFile);
    bench = await GeodnsBench.open(other.network);
    await bench.start(bench.config({ services: {}, dnsZones: { [apex]: { file } } }));
    peer = await other.start(folder, file, peerAt);
  });
  afterAll(async () => {
    await peer.stop();
    await bench[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  it.each(names)("%s means the same, whatever the type", async (name) => {
    using ours = new UdpClient(bench.address);
    using theirs = new UdpClient(`${peerAt.host}:${peerAt.port}`);
    const differing = [];
    for (const label of typeNames) {
      const type = parseType(label)!;
      const own = other.alike(meaningOf(await ours.ask(queryBytes({ name, type }))), name, type);
      const theirOwn = other.alike(meaningOf(await other.ask(theirs, name, type)), name, type);
      if (JSON.stringify(own) !== JSON.stringify(theirOwn)) differing.push({ label, own, theirOwn });
    }
    expect(differing).toEqual([]);
  });
}
