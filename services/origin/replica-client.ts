import type { Clock } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Random } from "#shared/core/random.ts";
import { ReplicaConnection } from "./replica-connection.ts";
import type { Reply } from "./resp2.ts";

const tryTimeoutMs = 500; // two tries fit into the second that a router gives an api server
const sendTimeoutMsMin = 100; // of that, for a query that waited for its connection: a late answer ends it for all
const restMs = 1_000; // how long a forwarder that failed is asked last
const connectionMaxAgeMs = 10_000; // then another replica gets its turn, such as one that came back

/** One try at one forwarder. */
export interface ReplicaAttempt {
  readonly forwarder: string;
  /** Null if it was not reached. */
  readonly replica: string | null;
  readonly outcome: Reason;
  readonly detail: string;
  readonly tookMs: number;
}

/** How the answer of a replica came. */
export interface ReplicaAnswer {
  readonly reply: Reply;
  readonly replica: string;
  readonly forwarder: string;
  /** Own end of the connection. */
  readonly local: string;
  readonly reused: boolean;
}

export interface QueryResult {
  /** Undefined if no replica answered: the attempts say why. */
  readonly answer: ReplicaAnswer | undefined;
  readonly attempts: readonly ReplicaAttempt[];
}

interface Slot {
  readonly forwarder: string;
  connection: Promise<ReplicaConnection> | undefined;
  maxAgeMs: number;
  failedMs: number;
  failedReason: Reason;
}

interface Tried {
  readonly answer: ReplicaAnswer | undefined;
  readonly outcome: Reason;
  readonly reused: boolean;
}

export interface ReplicaClientOptions {
  /** Those of the config in force: the same array until a reload. */
  readonly forwarders: () => readonly string[];
  readonly localAddress: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Asks the zone's read replicas through the zone's forwarders: in turn, and the twin when one fails.
 * Keeps one connection to each forwarder. */
export class ReplicaClient {
  readonly #options: ReplicaClientOptions;
  #forwarders: readonly string[] = [];
  #slots: readonly Slot[] = [];
  #turn = 0;

  constructor(options: ReplicaClientOptions) {
    this.#options = options;
  }

  /** The forwarders in the order in which the next query asks them; one that just failed comes last, with its reason. */
  order(): readonly { readonly forwarder: string; readonly reason: Reason }[] {
    return this.#slotsInOrder().map((slot) => ({
      forwarder: slot.forwarder,
      reason: this.#rests(slot) ? slot.failedReason : "OK",
    }));
  }

  /** Never rejects. Reads only, so that each try may be repeated. */
  async query(words: readonly string[]): Promise<QueryResult> {
    const attempts: ReplicaAttempt[] = [];
    const slots = this.#slotsInOrder();
    this.#turn++;
    for (const slot of slots) {
      let tried = await this.#try(slot, words, attempts);
      // A kept connection may end just as it is used; that says nothing about the forwarder.
      if (tried.outcome === "UPSTREAM_RESET" && tried.reused) tried = await this.#try(slot, words, attempts);
      if (tried.answer) return { answer: tried.answer, attempts };
      slot.failedMs = this.#options.clock.nowMs();
      slot.failedReason = tried.outcome;
    }
    return { answer: undefined, attempts };
  }

  /** Ends every connection; the next query opens new ones. */
  drop(): void {
    for (const slot of this.#slots) endOf(slot, (connection) => connection.drop());
  }

  async #try(slot: Slot, words: readonly string[], attempts: ReplicaAttempt[]): Promise<Tried> {
    const { clock } = this.#options;
    const { forwarder } = slot;
    const beganMs = clock.nowMs();
    let reused = false;
    let replica: string | null = null;
    const finish = (outcome: Reason, detail: string, answer?: ReplicaAnswer): Tried => {
      const tookMs = Math.round((clock.nowMs() - beganMs) * 100) / 100;
      attempts.push({ forwarder, replica, outcome, detail, tookMs });
      return { answer, outcome, reused };
    };
    try {
      const connected = await this.#connect(slot, attempts);
      reused = connected.reused;
      const { connection } = connected;
      replica = connection.replica;
      const reply = await connection.send(words, Math.max(sendTimeoutMsMin, tryTimeoutMs - (clock.nowMs() - beganMs)));
      if (reply.kind === "error") return finish("UPSTREAM_INVALID", reply.text);
      return finish("OK", "", { reply, replica, forwarder, local: connection.local, reused });
    } catch (error) {
      if (!(error instanceof TrafficError)) throw error;
      return finish(error.reason, error.message);
    }
  }

  /** The kept connection of a forwarder, or a new one. Who asks while one is being opened waits for that one.
   * @throws {TrafficError} if it cannot be opened */
  async #connect(
    slot: Slot,
    attempts: readonly ReplicaAttempt[],
  ): Promise<{ connection: ReplicaConnection; reused: boolean }> {
    const before = slot.connection;
    const kept = await before;
    const isYoung = kept !== undefined && this.#options.clock.nowMs() - kept.openedMs <= slot.maxAgeMs;
    // The twin may have chosen the very replica that just failed.
    const failed = attempts.some((attempt) => attempt.replica === kept?.replica);
    if (kept?.usable && isYoung && !failed) return { connection: kept, reused: true };
    kept?.retire();
    // Another query may have found the same, and opened a new one meanwhile.
    if (slot.connection === before) slot.connection = undefined;
    slot.connection ??= this.#open(slot);
    return { connection: await slot.connection, reused: false };
  }

  #open(slot: Slot): Promise<ReplicaConnection> {
    const { clock, localAddress, random } = this.#options;
    const { forwarder } = slot;
    slot.maxAgeMs = connectionMaxAgeMs * (0.9 + random() * 0.2);
    const opening = ReplicaConnection.open({ forwarder, localAddress, clock, timeoutMs: tryTimeoutMs });
    opening.catch(() => {
      if (slot.connection === opening) slot.connection = undefined;
    });
    return opening;
  }

  #slotsInOrder(): readonly Slot[] {
    if (this.#options.forwarders() !== this.#forwarders) this.#follow(this.#options.forwarders());
    const first = this.#slots.length === 0 ? 0 : this.#turn % this.#slots.length;
    const rotated = [...this.#slots.slice(first), ...this.#slots.slice(0, first)];
    return [...rotated.filter((slot) => !this.#rests(slot)), ...rotated.filter((slot) => this.#rests(slot))];
  }

  /** Other forwarders from now on; connections to those that stay are kept. */
  #follow(forwarders: readonly string[]): void {
    const before = this.#slots;
    this.#forwarders = forwarders;
    this.#slots = forwarders.map(
      (forwarder) => before.find((slot) => slot.forwarder === forwarder) ?? newSlot(forwarder),
    );
    for (const slot of before) if (!this.#slots.includes(slot)) endOf(slot, (connection) => connection.retire());
  }

  #rests(slot: Slot): boolean {
    return this.#options.clock.nowMs() - slot.failedMs < restMs;
  }
}

function newSlot(forwarder: string): Slot {
  const failedMs = Number.NEGATIVE_INFINITY;
  return { forwarder, connection: undefined, maxAgeMs: connectionMaxAgeMs, failedMs, failedReason: "OK" };
}

function endOf(slot: Slot, end: (connection: ReplicaConnection) => void): void {
  void slot.connection?.then(end, () => {}); // One that never opened needs no end.
  slot.connection = undefined;
}
