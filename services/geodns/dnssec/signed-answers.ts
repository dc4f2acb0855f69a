import { Lru } from "#shared/core/lru.ts";
import { decide, steeredAnswer } from "../decide.ts";
import type { Transport } from "../answer.ts";
import type { SteeredBodies } from "../compiled/steered.ts";
import type { Entry } from "../compiled/zones.ts";
import type { Snapshot } from "../snapshot.ts";
import type { BodyOptions } from "../wire/body.ts";
import { classes, types } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import type { Query } from "../wire/query.ts";
import { signAnswer } from "./signed-answer.ts";
import type { SignedAnswer } from "./signed-answer.ts";
import { isExhausted } from "./signing.ts";

const madeUpMax = 8_192; // as many as there are signatures of such names; 4 MB when full
const noAddress = new Uint8Array(4);

/** Signed answers: each is made when it is first asked for, and copied from then on. */
export class SignedAnswers {
  #round = 0;
  /** Those to names that whoever asks has made up. */
  readonly #madeUp = new Lru<SignedAnswer>(madeUpMax);

  /** Signatures may be due: answers are made anew, each when it is next asked for. */
  renew(): void {
    this.#round++;
  }

  /** Another snapshot: what is not kept with its entries goes. */
  forget(): void {
    this.#madeUp.clear();
  }

  /** An answer that is the same for all, to a name that stands there or is delegated. */
  ofEntry(entry: Entry, { name, type }: Query, snapshot: Snapshot): SignedAnswer | undefined {
    if (entry.signed?.round === this.#round) return entry.signed;
    // One referral serves every name at or below the delegation.
    entry.signed =
      entry.cut === undefined
        ? this.#sign(name, type, snapshot, "udp")
        : this.#sign(entry.cut, types.NS, snapshot, "udp", { forNamesBelow: true });
    return entry.signed;
  }

  /** The same order of the same region's addresses as one that is not signed. */
  ofChoice(
    entry: Entry,
    names: SteeredBodies,
    choice: number,
    turn: number,
    snapshot: Snapshot,
  ): SignedAnswer | undefined {
    const row = (names.signed[choice] ??= []);
    if (row[turn]?.round === this.#round) return row[turn];
    const steered = snapshot.compiled.zones.steered[entry.steered];
    const one = names.byChoice[choice];
    const addresses = one?.turns.orders[turn];
    if (!steered || !one || !addresses) return undefined;
    const { question: name, type, resolution } = steered;
    const sections = steeredAnswer(type, resolution, one.choice.ttl(resolution.steered?.ttl), addresses);
    const decision = { rcode: "NOERROR", authoritative: true, ...sections } as const;
    return (row[turn] = signAnswer(decision, { name, type, class: classes.IN }, snapshot, this.#round));
  }

  /** For a name that whoever asks has made up: no such name, or one below a wildcard. Over the limit it costs next to
   * nothing.
   * @returns undefined over the limit of what is signed on demand */
  onDemand({ name, type }: Query, transport: Transport, snapshot: Snapshot): SignedAnswer | undefined {
    const key = `${type} ${name}`;
    const known = this.#madeUp.get(key);
    if (known?.round === this.#round) return known;
    const signed = isExhausted(snapshot.signers, transport) ? undefined : this.#sign(name, type, snapshot, transport);
    if (signed) this.#madeUp.set(key, signed);
    return signed;
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
    return signAnswer(decision, question, snapshot, this.#round, transport, options);
  }
}
