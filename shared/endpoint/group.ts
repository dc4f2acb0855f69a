import type { Picker } from "#shared/balance/picker.ts";
import { createPicker } from "#shared/balance/registry.ts";
import type { BalanceName } from "#shared/config/schema/common.ts";
import type { Random } from "#shared/core/random.ts";
import type { Endpoint } from "./endpoint.ts";

export interface GroupPick {
  readonly balance: BalanceName;
  readonly nowMs: number;
  readonly hash: number;
  readonly tried: readonly Endpoint[];
  /** Only look: whoever picks next gets what was seen. */
  readonly peek: boolean;
}

/** A picker, and what it has to be told before the next pick. */
interface Slot {
  readonly picker: Picker;
  version: number;
  /** What a peek has taken from the picker; -1 if nothing. */
  seen: number;
}

// These give turns that depend on no load and no hash, so a turn that a peek took is still right for the next pick. The
// others are asked anew; there a peek moves at most the turn among equals.
const takesTurns: ReadonlySet<BalanceName> = new Set(["round-robin", "weighted"]);

/** Endpoints that one picker chooses among. Pickers are made when first used and rebuilt when first used after a change. */
export class Group {
  readonly #random: Random;
  readonly #slots = new Map<BalanceName, Slot>();
  #members: readonly Endpoint[] = [];
  #weights: readonly number[] = [];
  #version = 0;

  constructor(random: Random, members: readonly Endpoint[] = []) {
    this.#random = random;
    this.setMembers(members);
  }

  get members(): readonly Endpoint[] {
    return this.#members;
  }

  setMembers(members: readonly Endpoint[]): void {
    const weights = members.map((member) => member.weight);
    if (isSame(members, this.#members) && isSame(weights, this.#weights)) return;
    this.#members = members;
    this.#weights = weights;
    this.#version++;
  }

  pick(request: GroupPick): Endpoint | undefined {
    const slot = this.#slotOf(request.balance);
    if (slot.seen >= 0) {
      const seen = this.#members[slot.seen];
      if (!request.peek) slot.seen = -1;
      if (seen && !isTried(seen, request.tried)) return seen;
    }
    const picked = slot.picker.pick(request);
    if (request.peek && takesTurns.has(request.balance)) slot.seen = picked;
    return this.#members[picked];
  }

  #slotOf(balance: BalanceName): Slot {
    let slot = this.#slots.get(balance);
    if (!slot) {
      slot = { picker: createPicker(balance, this.#random), version: -1, seen: -1 };
      this.#slots.set(balance, slot);
    }
    if (slot.version !== this.#version) {
      slot.picker.rebuild(this.#members);
      slot.version = this.#version;
      slot.seen = -1;
    }
    return slot;
  }

  /** Whether somebody in here was not tried yet. */
  hasUntried(tried: readonly Endpoint[]): boolean {
    for (const member of this.#members) if (!isTried(member, tried)) return true;
    return false;
  }
}

/** By id: a reload in the middle of a request may have made the endpoint anew. */
export function isTried(endpoint: Endpoint, tried: readonly Endpoint[]): boolean {
  for (const one of tried) if (one.id === endpoint.id) return true;
  return false;
}

function isSame<T>(some: readonly T[], others: readonly T[]): boolean {
  return some.length === others.length && some.every((one, i) => one === others[i]);
}
