import { randomInt } from "node:crypto";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { askDns } from "../dns-client.ts";
import { requestHttp } from "../http-client.ts";
import type { Client, Target } from "../trace/request.ts";
import type { Outcome } from "./tally.ts";

const dnsTimeoutMs = 1_000;
const connectTimeoutMs = 1_000;
const answerTimeoutMs = 5_000; // longer than three attempts of a router of 1 s each
const bodyKeptBytesMax = 0;

interface Answers {
  readonly addresses: readonly string[];
  readonly untilMs: number;
}

/** One client, as browsers are: it asks the name servers and keeps the answer for its TTL, sends a GET on a connection of its
 * own, and tries the next address where one is silent. That one is tried last until the name is resolved anew. */
export class Caller {
  readonly #nodes: readonly TopologyNode[];
  readonly #client: Client;
  readonly #target: Target;
  #answers: Answers = { addresses: [], untilMs: 0 };

  constructor(nodes: readonly TopologyNode[], client: Client, target: Target) {
    this.#nodes = nodes;
    this.#client = client;
    this.#target = target;
  }

  /** Sends one request. Never rejects. */
  async ask(): Promise<Outcome> {
    const startedMs = performance.now();
    let retries = 0;
    const ended = (by: string | null, failure: string | null): Outcome => {
      return { by, failure, retries, tookMs: performance.now() - startedMs };
    };
    try {
      const { addresses } = await this.#resolve(startedMs);
      for (const [i, address] of addresses.entries()) {
        retries = i;
        const failure = await this.#get(address);
        if (failure === null) return ended(this.#placeOf(address), null);
        this.#tryLast(address);
        if (!failure.isSilence || i === addresses.length - 1) return ended(null, failure.message);
      }
      return ended(null, `${this.#target.host} has no address`);
    } catch (error) {
      return ended(null, messageOf(error));
    }
  }

  async #resolve(nowMs: number): Promise<Answers> {
    const { host, address } = this.#target;
    if (address !== null) return { addresses: [address], untilMs: Number.POSITIVE_INFINITY };
    if (nowMs >= this.#answers.untilMs) this.#answers = await this.#askNameServers(host);
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

  /** @returns null after a 200 */
  async #get(host: string): Promise<{ readonly message: string; readonly isSilence: boolean } | null> {
    const { port, path, hostHeader } = this.#target;
    const router = this.#nodes.find(({ address }) => address === host);
    const at = { host, port: port ?? parseSocketAddress(router?.listens[0]?.address ?? "")?.port ?? 80 };
    try {
      const { status, complete } = await requestHttp({
        ...at,
        method: "GET",
        target: path,
        headers: [
          ["Host", hostHeader],
          ["User-Agent", "watershed-load"],
          ["Connection", "close"],
        ],
        localAddress: this.#client.localAddress,
        connectTimeoutMs,
        timeoutMs: answerTimeoutMs,
        bodyKeptBytesMax,
      });
      if (!complete) return { message: `${host}: the answer was cut`, isSilence: true };
      return status === 200 ? null : { message: `${host}: ${status}`, isSilence: false };
    } catch (error) {
      return { message: messageOf(error), isSilence: true };
    }
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
