import { deepStrictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TcpClient, UdpClient, queryBytes } from "#test/support/dns.ts";
import type { QueryOptions, ReadReply } from "#test/support/dns.ts";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import { GeodnsBench, dnsZone } from "#test/support/geodns.ts";
import { hasClient } from "#test/support/real-clients.ts";
import type { Host } from "#shared/server/service.ts";

const run = promisify(execFile);

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
  BADCOOKIE: 23,
} as const;

export const optionCodes = { nsid: 3, ecs: 8, cookie: 10, keepalive: 11, padding: 12, extendedError: 15 } as const;

/** Records that the suite asks for, beside those of `dnsZone`. */
const records = {
  big: { TXT: ["x".repeat(200), "y".repeat(200), "z".repeat(200)] },
  huge: { TXT: ["x".repeat(4_000)] },
  "a.deep.ent": { A: ["192.0.2.7"] },
  "*.wild": { A: ["192.0.2.8"] },
};

/** A name server of its own for a test file: in this process, on real sockets of its own loopback addresses, all regions up. */
export class Rig implements AsyncDisposable {
  readonly bench: GeodnsBench;

  private constructor(bench: GeodnsBench) {
    this.bench = bench;
  }

  /** @param network second octet of its addresses: files run side by side
   * @param changes keys of the config */
  static async start(
    network: number,
    changes: Record<string, unknown> = {},
    hostChanges: Partial<Host> = {},
  ): Promise<Rig> {
    const bench = await GeodnsBench.open(network);
    const web = bench.webService({ health: undefined });
    const certificates = [certificateFiles(makeCertificate("ns1.stream.test"))];
    const config = bench.config({
      identity: { id: "ns1", version: "watershed" },
      services: { web },
      dnsZones: { "stream.test": dnsZone(records) },
      tls: { listen: [bench.listenAt(1)], certificates },
      https: { listen: [bench.listenAt(1)], certificates },
      ...changes,
    });
    await bench.startReady(config, hostChanges);
    return new Rig(bench);
  }

  /** "address:port" of UDP and TCP. */
  get address(): string {
    return this.bench.address;
  }

  get tlsAddress(): string {
    return this.bench.server.encryptedAddresses.tls[0] ?? "";
  }

  get httpsAddress(): string {
    return this.bench.server.encryptedAddresses.https[0] ?? "";
  }

  /** One query over UDP. */
  async ask(query: QueryOptions = {}, client = "127.0.0.1"): Promise<ReadReply> {
    return this.askRaw(queryBytes(query), client);
  }

  /** These bytes over UDP, and the reply. */
  async askRaw(message: Uint8Array, client = "127.0.0.1"): Promise<ReadReply> {
    using udp = new UdpClient(this.address, client);
    return await udp.ask(message);
  }

  /** One query over TCP. */
  async askTcp(query: QueryOptions = {}): Promise<ReadReply> {
    using tcp = new TcpClient(this.address);
    return await tcp.ask(queryBytes(query));
  }

  /** The same bytes over UDP and TCP: the replies say the same, or the test fails here. @returns the one over UDP */
  async askBoth(message: Uint8Array): Promise<ReadReply> {
    const udp = await this.askRaw(message);
    using tcp = new TcpClient(this.address);
    deepStrictEqual(meaningOf(await tcp.ask(message)), meaningOf(udp));
    return udp;
  }

  /** These bytes over UDP get no reply: an honest query behind them is answered first.
   * @returns the id of the first reply that came */
  async firstReplyAfter(message: Uint8Array): Promise<number> {
    using udp = new UdpClient(this.address);
    await udp.send(message);
    return (await udp.ask(queryBytes({ id: 0x7777 }))).id;
  }

  /** What dig prints. */
  dig(...options: readonly string[]): Promise<string> {
    return this.#run("dig", this.address, ["+tries=1", "+timeout=5", ...options]);
  }

  /** What kdig prints.
   * @param to whom: by default the address for UDP and TCP */
  kdig(options: readonly string[], to = this.address): Promise<string> {
    return this.#run("kdig", to, ["+retry=0", "+timeout=5", ...options]);
  }

  async digTo(to: string, ...options: readonly string[]): Promise<string> {
    return this.#run("dig", to, ["+tries=1", "+timeout=5", ...options]);
  }

  async #run(program: "dig" | "kdig", to: string, options: readonly string[]): Promise<string> {
    const { host, port } = parseSocketAddress(to) ?? { host: "", port: 0 };
    const { stdout } = await run(program, [`@${host}`, "-p", String(port), ...options], { timeout: 20_000 });
    return stdout;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.bench[Symbol.asyncDispose]();
  }
}

/** What does not depend on the transport or the moment: a cookie holds the time. */
const meaningOf = ({ bytes: _bytes, opt, additional, ...rest }: ReadReply) => ({
  ...rest,
  from: undefined,
  opt: opt && { ...opt, options: [...opt.options.keys()] },
  additional: additional.map(({ name, type }) => ({ name, type })),
});

export const hasDig = hasClient("dig");
export const hasKdig = hasClient("kdig");
