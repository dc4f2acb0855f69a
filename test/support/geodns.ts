import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Host } from "#shared/server/service.ts";
import { start } from "#geodns/service.ts";
import type { NameServer } from "#geodns/name-server.ts";
import { UdpClient, queryBytes } from "./dns.ts";
import type { QueryOptions, ReadReply } from "./dns.ts";
import { testHost } from "./host.ts";
import { FakeRouter } from "./routers.ts";

export const german = "127.49.0.7";
export const american = "127.1.0.7";

/** A dnsZone with a steered www and a few static records. */
export function dnsZone(records: Record<string, unknown> = {}) {
  return {
    soa: { primary: "ns1", contact: "hostmaster" },
    records: {
      "@": { NS: ["ns1"] },
      ns1: { A: ["127.53.0.1"] },
      www: { geo: "web" },
      api: { CNAME: "www" },
      ...records,
    },
  };
}

/** IPv4 addresses of a reply, sorted: their order rotates. */
export function addressesOf(reply: ReadReply): string[] {
  return reply.answers
    .filter(({ type }) => type === 1)
    .map(({ text }) => text)
    .toSorted();
}

/** A name server on its own loopback addresses, and the routers of two regions that it checks. */
export class GeodnsBench implements AsyncDisposable {
  readonly routers: FakeRouter[] = [];
  readonly euWest: readonly string[];
  readonly usEast: readonly string[];
  readonly #network: string;
  #host: Host | undefined;
  #server: NameServer | undefined;

  /** @param network second octet of all its addresses: test files run side by side */
  private constructor(network: number) {
    this.#network = `127.${network}`;
    this.euWest = [`${this.#network}.11.1`, `${this.#network}.11.2`];
    this.usEast = [`${this.#network}.12.1`, `${this.#network}.12.2`];
  }

  static async open(network: number): Promise<GeodnsBench> {
    const bench = new GeodnsBench(network);
    let port = 0; // the same for all: a service has one port to check
    for (const host of [...bench.euWest, ...bench.usEast]) {
      const router = await FakeRouter.start(host, port);
      port = router.port;
      bench.routers.push(router);
    }
    return bench;
  }

  get server(): NameServer {
    if (!this.#server) throw new Error("start it first");
    return this.#server;
  }

  get host(): Host {
    if (!this.#host) throw new Error("start it first");
    return this.#host;
  }

  /** Of its first listener. */
  get address(): string {
    return this.server.addresses[0]!;
  }

  get upCount(): number {
    const pools = [...this.server.pools()];
    return pools.flatMap((pool) => pool.status().endpoints).filter(({ eligible }) => eligible).length;
  }

  /** An address of its own, with port 0. */
  listenAt(host: number): string {
    return `${this.#network}.53.${host}:0`;
  }

  webService(changes: Record<string, unknown> = {}) {
    const health = { type: "http", port: this.routers[0]!.port, interval: "50ms", timeout: "40ms", fall: 2, rise: 2 };
    const regions = { "eu-west": { addresses: this.euWest }, "us-east": { addresses: this.usEast } };
    return { regions, health, ...changes };
  }

  /** A config as its file would give it. */
  config(changes: Record<string, unknown> = {}): GeodnsConfig {
    return geodnsSchema.parse({
      listen: [this.listenAt(1)],
      identity: { id: "ns1" },
      geo: { networks: { "127.49.0.0/16": { country: "DE" }, "127.1.0.0/16": { country: "US" } } },
      regions: { "eu-west": { location: [53.35, -6.26] }, "us-east": { location: [38.95, -77.45] } },
      steering: {
        countries: { BR: ["us-east", "eu-west"] },
        continents: { EU: ["eu-west", "us-east"], NA: ["us-east", "eu-west"] },
        default: "nearest",
      },
      services: { web: this.webService() },
      dnsZones: { "stream.test": dnsZone() },
      ...changes,
    });
  }

  async start(config = this.config(), hostChanges: Partial<Host> = {}): Promise<void> {
    this.#host = testHost(hostChanges);
    this.#server = await start(config, this.#host);
  }

  async startReady(config = this.config(), hostChanges: Partial<Host> = {}): Promise<void> {
    await this.start(config, hostChanges);
    await this.until(() => this.server.notReady() === undefined);
  }

  /** One query over UDP from this address. */
  async ask(client: string, query: QueryOptions = {}): Promise<ReadReply> {
    using udp = new UdpClient(this.address, client);
    return await udp.ask(queryBytes(query));
  }

  explain(parameters: Record<string, string>): Record<string, unknown> {
    return this.server.explain(new URLSearchParams(parameters));
  }

  /** Waits, from event to event, until this is so. */
  async until(condition: () => boolean): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve) => {
      const unsubscribe = this.host.events.subscribe(() =>
        // After the event has been told everybody.
        queueMicrotask(() => {
          if (!condition()) return;
          unsubscribe();
          resolve();
        }),
      );
    });
  }

  told(type: string) {
    return this.host.events.since(0).filter((event) => event.type === type);
  }

  async stopRouters(hosts: readonly string[]): Promise<void> {
    for (const router of this.routers) if (hosts.includes(router.host)) await router[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
    await this.stopRouters([...this.euWest, ...this.usEast]);
  }
}
