import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Clock } from "#shared/core/clock.ts";
import { refill } from "#shared/core/token-bucket.ts";
import type { TokenBucket } from "#shared/core/token-bucket.ts";

type Limits = L4ForwarderConfig["limits"];

const clientsMax = 65_536; // about 10 MB; as many as the kernel keeps

/** Its tokens are the new connections that it may still open at once. */
interface Client extends TokenBucket {
  active: number;
}

/** What one client, an address, may take of this process: connections at a time, and new ones a second. */
export class Admission {
  readonly #clock: Clock;
  readonly #clients = new Map<string, Client>();
  #limits: Limits;

  constructor(limits: Limits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** A reload: who is over a new limit keeps what it has. */
  set limits(limits: Limits) {
    this.#limits = limits;
  }

  /** @returns whether one more of this client may go on; then `leave` must follow */
  enter(address: string): boolean {
    const { connectionsPerClient = Number.POSITIVE_INFINITY, connectionsPerSecondPerClient: rate } = this.#limits;
    const nowMs = this.#clock.nowMs();
    const client = this.#clients.get(address) ?? { active: 0, tokens: this.#burst, atMs: nowMs };
    if (client.active >= connectionsPerClient) return false;
    if (rate !== undefined) {
      refill(client, nowMs, rate, this.#burst);
      if (client.tokens < 1) return false;
      client.tokens--;
    }
    client.active++;
    this.#remember(address, client);
    return true;
  }

  leave(address: string): void {
    const client = this.#clients.get(address);
    if (!client) return;
    client.active = Math.max(0, client.active - 1);
    if (client.active === 0 && this.#limits.connectionsPerSecondPerClient === undefined) this.#clients.delete(address);
  }

  get #burst(): number {
    return this.#limits.burst ?? this.#limits.connectionsPerSecondPerClient ?? 1;
  }

  /** The client seen last stands last; over the bound the first is forgotten, and begins with a whole burst again. */
  #remember(address: string, client: Client): void {
    this.#clients.delete(address);
    this.#clients.set(address, client);
    if (this.#clients.size <= clientsMax) return;
    const oldest = this.#clients.keys().next();
    if (!oldest.done) this.#clients.delete(oldest.value);
  }
}
