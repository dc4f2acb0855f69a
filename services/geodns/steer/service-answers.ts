import type { Random } from "#shared/core/random.ts";
import type { AddressView, RegionView, ServiceView } from "../snapshot.ts";
import { types } from "../wire/codes.ts";
import { chooseRegions } from "./failover.ts";
import type { RegionChoice } from "./failover.ts";
import { jointOrders } from "./joint-order.ts";
import { ordersOf } from "./order.ts";

/** The orders of the addresses of one type, taken in turn by whoever is answered. */
export class Turns {
  readonly orders: readonly (readonly AddressView[])[];
  /** Whose turn it is. */
  next = 0;

  constructor(orders: readonly (readonly AddressView[])[]) {
    this.orders = orders;
  }

  /** @returns an index among the orders */
  take(): number {
    const turn = this.next;
    this.next = turn + 1 === this.orders.length ? 0 : turn + 1;
    return turn;
  }
}

/** One way in which a service may be answered: these regions, for this reason. */
export class Choice {
  readonly index: number;
  readonly reason: RegionChoice<RegionView>["reason"];
  readonly chosen: readonly RegionView[];
  /** Its answers are kept for less time. */
  readonly changing: boolean;
  /** Answers given, for the metrics. */
  answered = 0;
  readonly #view: ServiceView;
  readonly #random: Random;
  readonly #turns = new Map<number, Turns>();

  constructor(index: number, choice: RegionChoice<RegionView>, view: ServiceView, random: Random) {
    this.index = index;
    this.reason = choice.reason;
    this.chosen = choice.chosen;
    this.changing = choice.changing;
    this.#view = view;
    this.#random = random;
  }

  /** Seconds that its answers may be kept.
   * @param own of the record, in place of the service's */
  ttl(own: number | undefined): number {
    const ttl = own ?? this.#view.ttl;
    return this.changing ? Math.min(ttl, this.#view.ttlMin) : ttl;
  }

  /** @param type A or AAAA; for any other type the orders hold both, as hints of its records */
  turnsOf(type: number): Turns {
    let turns = this.#turns.get(type);
    if (!turns) this.#turns.set(type, (turns = new Turns(this.#ordersFor(type))));
    return turns;
  }

  #ordersFor(type: number): readonly (readonly AddressView[])[] {
    if (type === types.A || type === types.AAAA) return this.#ordersOf(type);
    const families = [this.#ordersOf(types.A), this.#ordersOf(types.AAAA)];
    const count = Math.max(...families.map((orders) => orders.length));
    return Array.from({ length: count }, (_, turn) => families.flatMap((orders) => orders[turn % orders.length] ?? []));
  }

  /** Those that are up in the chosen regions, `answers` in all. Failing open: every address of every candidate, but for
   * those that an operator has disabled. */
  #ordersOf(type: number): readonly (readonly AddressView[])[] {
    const { answers, balance } = this.#view;
    const failOpen = this.reason === "FAIL_OPEN";
    const mayAnswer = this.chosen.some(({ addresses }) => addresses.some(({ state }) => state !== "disabled"))
      ? ({ up, state }: AddressView) => (failOpen ? state !== "disabled" : up)
      : () => true;
    const fit = this.chosen.map((region) => ({
      weight: region.capacity,
      addresses: region.addresses.filter((address) => address.type === type && mayAnswer(address)),
    }));
    if (!failOpen) return jointOrders(fit, answers, balance, this.#random);
    const byRegion = fit.map(({ addresses }) => ordersOf(balance, addresses, addresses.length, this.#random));
    const count = Math.max(1, ...byRegion.map((orders) => orders.length));
    return Array.from({ length: count }, (_, turn) => byRegion.flatMap((orders) => orders[turn % orders.length] ?? []));
  }
}

/** A service as it stands, with every choice that its health allows. Made anew when somebody goes up or down. */
export class ServiceAnswers {
  readonly view: ServiceView;
  readonly choices: readonly Choice[];
  /** By the number of a region list: the index of its choice. */
  readonly choiceOf: Uint16Array;

  /** @param lists every region list that a client may have */
  constructor(view: ServiceView, lists: readonly (readonly string[])[], random: Random) {
    this.view = view;
    const byKey = new Map<string, Choice>();
    this.choiceOf = Uint16Array.from(lists, (list) => {
      const choice = chooseRegions(list, view.regions, view.answerRegions);
      const key = keyOf(choice);
      let known = byKey.get(key);
      if (!known) byKey.set(key, (known = new Choice(byKey.size, choice, view, random)));
      return known.index;
    });
    this.choices = [...byKey.values()];
  }

  /** The choice for a region list by its names. */
  choose(list: readonly string[]): Choice | undefined {
    const key = keyOf(chooseRegions(list, this.view.regions, this.view.answerRegions));
    return this.choices.find((choice) => keyOf(choice) === key);
  }
}

function keyOf({ reason, chosen, changing }: Omit<RegionChoice<RegionView>, "candidates">): string {
  return [reason, changing, ...chosen.map(({ name }) => name)].join("\n");
}
