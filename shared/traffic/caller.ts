import { randomInt } from "node:crypto";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { Client, Target } from "./client.ts";
import { Connections, NoAnswer } from "./connections.ts";
import type { Answer, SentRequest } from "./connections.ts";
import { askDns } from "./dns-client.ts";
import type { Outcome } from "./tally.ts";

const dnsTimeoutMs = 1_000;
const firstErrorStatus = 400;

interface Answers {
  readonly addresses: readonly string[];
  readonly untilMs: number;
}

interface Ended extends Answer {
  readonly host: string;
}

/** One client, as browsers are: it asks the name servers and keeps the answer for its TTL, keeps connections where that is
 * wanted, and tries the next address where one is silent. That one is tried last until the name is resolved anew. */
export class Caller {
  readonly #nodes: readonly TopologyNode[];
  readonly #client: Client;
  readonly #target: Target;
  readonly #connections: Connections;
  #answers: Answers = { addresses: [], untilMs: 0 };
  #asking: Promise<Answers> | undefined;

  /** @param target whom to ask: its path is not looked at */
  constructor(
    nodes: readonly TopologyNode[],
    client: Client,
    target: Target,
    options: { readonly keepConnections: boolean } = { keepConnections: false },
  ) {
    this.#nodes = nodes;
    this.#client = client;
    this.#target = target;
    this.#connections = new Connections(client.localAddress, options.keepConnections);
  }

  /** Sends one request. Never rejects. */
  async ask(request: SentRequest): Promise<Outcome> {
    const startedMs = performance.now();
    let retries = 0;
    const ended = (answer: Ended | null, failure: string | null): Outcome => ({
      by: answer && failure === null ? this.#placeOf(answer.host) : null,
      status: answer?.status ?? null,
      server: answer?.server ?? null,
      failure,
      retries,
      tookMs: performance.now() - startedMs,
    });
    try {
      const { addresses } = await this.#resolve(startedMs);
      for (const [i, address] of addresses.entries()) {
        try {
          const answer = await this.#send(address, request, () => retries++);
          return ended(answer, answer.status < firstErrorStatus ? null : `${address}: ${answer.status}`);
        } catch (error) {
          this.#tryLast(address);
          if (!(error instanceof NoAnswer && error.mayRepeat) || i === addresses.length - 1) throw error;
          retries++;
        }
      }
      return ended(null, `${this.#target.host} has no address`);
    } catch (error) {
      return ended(null, messageOf(error));
    }
  }

  /** Ends its connections. */
  close(): void {
    this.#connections.close();
  }

  /** Once more on a new connection where a kept one turned out to be closed. */
  async #send(host: string, request: SentRequest, onRepeat: () => void): Promise<Ended> {
    const { port, hostHeader } = this.#target;
    const router = this.#nodes.find(({ address }) => address === host);
    const to = { host, port: port ?? parseSocketAddress(router?.listens[0]?.address ?? "")?.port ?? 80 };
    try {
      return { host, ...(await this.#connections.send(to, hostHeader, request)) };
    } catch (error) {
      if (!(error instanceof NoAnswer && error.wasKept && error.mayRepeat)) throw error;
      onRepeat();
      return { host, ...(await this.#connections.send(to, hostHeader, request)) };
    }
  }

  async #resolve(nowMs: number): Promise<Answers> {
    const { host, address } = this.#target;
    if (address !== null) return { addresses: [address], untilMs: Number.POSITIVE_INFINITY };
    if (nowMs < this.#answers.untilMs) return this.#answers;
    // Requests that begin meanwhile wait for the same answer.
    this.#asking ??= this.#askNameServers(host).finally(() => (this.#asking = undefined));
    this.#answers = await this.#asking;
    return this.#answers;
  }

  /** @throws {TrafficError} what the last name server said */
  async #askNameServers(name: string): Promise<Answers> {
    let failure = new TrafficError("NO_ENDPOINT", "there is no name server", { origin: "internal" });
    const { localAddress, subnet } = this.#client;
    for (const { name: server, service, listens } of this.#nodes) {
      const listener = listens.find(({ protocol }) => protocol !== "tcp");
      const at = service === "geodns" && listener ? parseSocketAddress(listener.address) : undefined;
      if (!at) continue;
      try {
        const query = { name, type: "A", id: randomInt(65_536), subnet: subnet ?? undefined } as const;
        const answer = await askDns(query, at, { localAddress, timeoutMs: dnsTimeoutMs });
        if (answer.rcode === "NOERROR" && answer.addresses.length > 0)
          return { addresses: answer.addresses, untilMs: performance.now() + (answer.ttlSeconds ?? 0) * 1_000 };
        throw new TrafficError("UPSTREAM_INVALID", `${answer.rcode}, no address`, { origin: "upstream" });
      } catch (error) {
        failure = new TrafficError("UPSTREAM_INVALID", `${server}: ${messageOf(error)}`, { origin: "upstream" });
      }
    }
    throw failure;
  }

  #tryLast(address: string): void {
    const { addresses, untilMs } = this.#answers;
    if (!addresses.includes(address)) return;
    this.#answers = { addresses: [...addresses.filter((one) => one !== address), address], untilMs };
  }

  #placeOf(address: string): string {
    return this.#nodes.find((node) => node.address === address)?.region ?? address;
  }
}
