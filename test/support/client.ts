import { Resolver } from "node:dns/promises";
import http from "node:http";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { codeOf } from "#shared/core/error.ts";

/** An answer, and how many addresses had to be tried before one took the connection. */
export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  readonly retries: number;
}

/** A client as browsers are: resolves by the name servers it knows, then tries one address after the other. */
export class Client {
  readonly address: string;
  readonly #nameServers: readonly string[];

  /** @param address source address of all it sends
   * @param nameServers "address:port" each */
  constructor(address: string, nameServers: readonly string[]) {
    this.address = address;
    this.#nameServers = nameServers;
  }

  /** IPv4 addresses of a name. The next name server is asked when one is silent or says SERVFAIL, as the resolver of the C
   * library does; Node's own passes a SERVFAIL on. */
  async resolve(name: string): Promise<string[]> {
    let failure: unknown = new Error("no name server");
    for (const nameServer of this.#nameServers) {
      const resolver = new Resolver({ timeout: 1_000, tries: 1 });
      resolver.setServers([nameServer]);
      resolver.setLocalAddress(this.address);
      try {
        return await resolver.resolve4(name);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** One request by name; connects that fail are tried at the next address, answers never.
   * @throws what the last address said */
  async fetch(name: string, path: string, options: { method?: string; body?: string } = {}): Promise<Answer> {
    const addresses = await this.resolve(name);
    for (const [retries, host] of addresses.entries()) {
      try {
        return { ...(await this.fetchFrom(host, name, path, options)), retries };
      } catch (error) {
        const unconnected = ["ECONNREFUSED", "ETIMEDOUT"].includes(codeOf(error));
        if (!unconnected || retries === addresses.length - 1) throw error;
      }
    }
    throw new Error(`${name} has no address`);
  }

  /** One request to one router. */
  async fetchFrom(
    host: string,
    name: string,
    path: string,
    options: { method?: string; body?: string } = {},
  ): Promise<Omit<Answer, "retries">> {
    const request = http.request({
      host,
      port: 8080,
      path,
      localAddress: this.address,
      method: options.method ?? "GET",
      headers: { host: name },
      agent: false,
      timeout: 10_000,
    });
    request.on("timeout", () => request.destroy(new Error(`${host} gave no answer in 10 s`)));
    request.end(options.body);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) };
  }
}

/** What a load has seen. */
export interface LoadResult {
  readonly requests: number;
  /** One line each: what failed, and how. */
  readonly failures: readonly string[];
}

/** Sends one request after the other from each client for as long as `during` takes. */
export async function loadDuring(
  clients: readonly Client[],
  name: string,
  path: string,
  during: () => Promise<unknown>,
): Promise<LoadResult> {
  const failures: string[] = [];
  let requests = 0;
  let over = false;
  const loops = clients.map(async (client) => {
    while (!over) {
      requests++;
      try {
        const { status, body } = await client.fetch(name, path);
        if (status !== 200) failures.push(`${client.address}: ${status} ${body.slice(0, 200)}`);
      } catch (error) {
        failures.push(`${client.address}: ${String(error)}`);
      }
    }
  });
  try {
    await during();
  } finally {
    over = true;
    await Promise.all(loops);
  }
  return { requests, failures };
}
