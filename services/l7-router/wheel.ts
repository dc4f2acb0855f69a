import type { Clock } from "#shared/core/clock.ts";

const tickMs = 50; // how late a limit may be noticed: limits are seconds
const slots = 512; // 25 s ahead; what is due later is looked at again then

/** Something that must not take longer than a while. Armed and disarmed on a wheel; armed again it moves. */
export abstract class Deadline {
  /** Monotonic. Only the wheel changes this and what follows. */
  dueMs = 0;
  /** Tick of the slot in which it waits; -1 in none. */
  slotTick = -1;
  before: Deadline | undefined;
  after: Deadline | undefined;

  /** Its time is over. Must not throw. */
  abstract onDue(): void;
}

/** One coarse timer for every request and connection: to arm, move and disarm costs a few words of memory, nothing of the
 * runtime's. Fires up to a tick late, never early. */
export class Wheel {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #heads: (Deadline | undefined)[] = Array.from({ length: slots });
  #count = 0;
  #tick = 0;
  #isTurning = false;
  /** Slots are being emptied: where the wheel stands must not change, or a slot would be filled while it is emptied. */
  #isEmptying = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /** Deadlines that wait. */
  get count(): number {
    return this.#count;
  }

  /** From now on it is due `delayMs` after `nowMs`. */
  arm(deadline: Deadline, delayMs: number, nowMs = this.#clock.nowMs()): void {
    // Nothing turned the wheel while it was empty.
    if (this.#count === 0 && !this.#isEmptying) this.#tick = this.#tickAt(nowMs);
    deadline.dueMs = nowMs + delayMs;
    const wantedTick = Math.ceil((deadline.dueMs - this.#startMs) / tickMs);
    // Later than where it waits: its slot will move it on. So a deadline that moves with every byte costs nothing.
    if (deadline.slotTick >= 0 && deadline.slotTick <= wantedTick) return;
    this.disarm(deadline);
    this.#insert(deadline, wantedTick);
    this.#keepTurning();
  }

  disarm(deadline: Deadline): void {
    if (deadline.slotTick < 0) return;
    const { before, after } = deadline;
    if (before) before.after = after;
    else this.#heads[deadline.slotTick % slots] = after;
    if (after) after.before = before;
    deadline.slotTick = -1;
    deadline.before = undefined;
    deadline.after = undefined;
    this.#count--;
  }

  #tickAt(nowMs: number): number {
    return Math.floor((nowMs - this.#startMs) / tickMs);
  }

  #insert(deadline: Deadline, wantedTick: number): void {
    const slotTick = Math.min(Math.max(wantedTick, this.#tick + 1), this.#tick + slots - 1);
    const slot = slotTick % slots;
    const after = this.#heads[slot];
    deadline.slotTick = slotTick;
    deadline.after = after;
    if (after) after.before = deadline;
    this.#heads[slot] = deadline;
    this.#count++;
  }

  #keepTurning(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#clock.after(tickMs, () => this.#turn());
  }

  #turn(): void {
    this.#isTurning = false;
    const nowMs = this.#clock.nowMs();
    const nowTick = this.#tickAt(nowMs);
    this.#isEmptying = true;
    while (this.#tick < nowTick && this.#count > 0) {
      this.#tick++;
      this.#empty(this.#tick % slots, nowMs);
    }
    this.#isEmptying = false;
    if (this.#count > 0) this.#keepTurning();
  }

  /** What is armed anew while this runs lands in a later slot, so it ends. */
  #empty(slot: number, nowMs: number): void {
    for (let first = this.#heads[slot]; first; first = this.#heads[slot]) {
      this.disarm(first);
      if (first.dueMs <= nowMs) first.onDue();
      else this.#insert(first, Math.ceil((first.dueMs - this.#startMs) / tickMs));
    }
  }
}
