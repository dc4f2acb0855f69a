import { Lru } from "#shared/core/lru.ts";
import { decide, steeredAnswer } from "../decide.ts";
import type { Transport } from "../answer.ts";
import type { SteeredBodies } from "../compiled/steered.ts";
import { isStatic, noType } from "../compiled/zones.ts";
import type { Entry } from "../compiled/zones.ts";
import type { Snapshot } from "../snapshot.ts";
import type { BodyOptions } from "../wire/body.ts";
import { classes, types } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import type { Query } from "../wire/query.ts";
import { isDue, signAnswer } from "./signed-answer.ts";
import type { SignedAnswer } from "./signed-answer.ts";
import { isExhausted } from "./signing.ts";

const madeUpMax = 8_192; // as many as there are signatures of such names; 4 MB when full
const noAddress = new Uint8Array(4);

/** Signed answers: made in advance, or when they are first asked for, and copied from then on. */
export class SignedAnswers {
  /** Those to names that whoever asks has made up. */
  readonly #madeUp = new Lru<SignedAnswer>(madeUpMax);

  /** What is not kept with its entries goes: there is another snapshot, or signatures may be due. */
  forget(): void {
    this.#madeUp.clear();
  }

  /** An answer that is the same for all, to a name that stands there or is delegated. */
  ofEntry(entry: Entry, query: Query, snapshot: Snapshot): SignedAnswer | undefined {
    // The name is spelled out only where there is something to sign: that makes a string.
    return (entry.signed ??= this.#signEntry(entry, query.name, query.type, snapshot));
  }

  /** The same order of the same region's addresses as one that is not signed.
   * @param index among the steered answers */
  ofChoice(
    index: number,
    names: SteeredBodies,
    choice: number,
    turn: number,
    snapshot: Snapshot,
  ): SignedAnswer | undefined {
    const row = (names.signed[choice] ??= []);
    return (row[turn] ??= this.#signChoice(index, names, choice, turn, snapshot));
  }

  /** For a name that whoever asks has made up: no such name, or one below a wildcard. Over the limit it costs next to
   * nothing.
   * @returns undefined over the limit of what is signed on demand */
  onDemand({ name, type }: Query, transport: Transport, snapshot: Snapshot): SignedAnswer | undefined {
    const key = `${type} ${name}`;
    const known = this.#madeUp.get(key);
    if (known) return known;
    const signed = isExhausted(snapshot.signers, transport) ? undefined : this.#sign(name, type, snapshot, transport);
    if (signed) this.#madeUp.set(key, signed);
    return signed;
  }

  /** Signs what is compiled and not signed yet, or due: the steered answers first, they change with health. One answer at
   * most between two yields.
   * @param now seconds since 1970
   * @param answersMax those behind are signed when they are first asked for */
  *prepare(snapshot: Snapshot, now: number, answersMax: number): Generator<void> {
    let left = answersMax;
    const { steered, zones } = snapshot.compiled;
    for (const [index, names] of steered.entries()) {
      if (!zones.steered[index]?.needsSigning || !names.answers.view.ready) continue;
      for (const [choice, { turns }] of names.byChoice.entries())
        for (const turn of turns.orders.keys()) {
          const row = (names.signed[choice] ??= []);
          if (row[turn] && isDue(row[turn], now)) row[turn] = undefined;
          if (left-- > 0) this.ofChoice(index, names, choice, turn, snapshot);
          yield;
        }
    }
    for (const [name, { entries, other }] of zones.table.entries())
      for (const [type, entry] of [...entries, [noType, other] as const]) {
        if (!entry.needsSigning || entry.steered !== isStatic) continue;
        if (entry.signed && isDue(entry.signed, now)) entry.signed = undefined;
        if (left-- > 0) entry.signed ??= this.#signEntry(entry, name, type, snapshot);
        yield;
      }
  }

  #signEntry(entry: Entry, name: Name, type: number, snapshot: Snapshot): SignedAnswer | undefined {
    // One referral serves every name at or below the delegation.
    return entry.cut === undefined
      ? this.#sign(name, type, snapshot, "udp")
      : this.#sign(entry.cut, types.NS, snapshot, "udp", { forNamesBelow: true });
  }

  #signChoice(
    index: number,
    names: SteeredBodies,
    choice: number,
    turn: number,
    snapshot: Snapshot,
  ): SignedAnswer | undefined {
    const steered = snapshot.compiled.zones.steered[index];
    const one = names.byChoice[choice];
    const addresses = one?.turns.orders[turn];
    if (!steered || !one || !addresses) return undefined;
    const { question: name, type, resolution } = steered;
    const sections = steeredAnswer(type, resolution, one.choice.ttl(resolution.steered?.ttl), addresses);
    const decision = { rcode: "NOERROR", authoritative: true, ...sections } as const;
    return signAnswer(decision, { name, type, class: classes.IN }, snapshot);
  }

  /** An answer that is not steered. */
  #sign(
    name: Name,
    type: number,
    snapshot: Snapshot,
    transport: Transport,
    options?: BodyOptions,
  ): SignedAnswer | undefined {
    const question = { name, type, class: classes.IN };
    const decision = decide(question, { client: noAddress, subnet: undefined }, snapshot, true);
    return signAnswer(decision, question, snapshot, transport, options);
  }
}
