import type { Clock } from "#shared/core/clock.ts";

type Woken = "due" | "changed" | "gone";

interface Wait {
  readonly wake: (how: Woken) => void;
  /** Whether a change of the gate ends it. */
  readonly watchesGate: boolean;
}

/** Every answer of a server passes here, so that the server can be hung and slowed while its sockets stay open.
 * `connection` is any object that stands for the connection of the answer; `forget` it when it ends. */
export class Gate {
  readonly #clock: Clock;
  readonly #waits = new Map<object, Set<Wait>>();
  #hung = false;
  #delayMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get hung(): boolean {
    return this.#hung;
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  /** Answers wait until the gate is opened. */
  hang(): void {
    this.#change(true, 0);
  }

  /** Answers wait this long, those that hung so far too. */
  slow(delayMs: number): void {
    this.#change(false, delayMs);
  }

  /** Answers wait no more, those that waited so far neither. */
  open(): void {
    this.#change(false, 0);
  }

  /** Waits until an answer may go out.
   * @returns false if its connection ended meanwhile */
  async pass(connection: object): Promise<boolean> {
    while (this.#hung || this.#delayMs > 0) {
      const woken = await this.#wait(connection, this.#hung ? undefined : this.#delayMs, true);
      if (woken !== "changed") return woken === "due";
    }
    return true;
  }

  /** Waits a time that the gate has no part in.
   * @returns false if the connection ended meanwhile */
  async pause(connection: object, pauseMs: number): Promise<boolean> {
    return (await this.#wait(connection, pauseMs, false)) === "due";
  }

  /** The connection ended: whatever waits for it stops. */
  forget(connection: object): void {
    for (const wait of this.#waits.get(connection) ?? []) wait.wake("gone");
  }

  #change(hung: boolean, delayMs: number): void {
    this.#hung = hung;
    this.#delayMs = delayMs;
    for (const waits of this.#waits.values()) for (const wait of waits) if (wait.watchesGate) wait.wake("changed");
  }

  #wait(connection: object, waitMs: number | undefined, watchesGate: boolean): Promise<Woken> {
    return new Promise((resolve) => {
      const waits = this.#waits.get(connection) ?? new Set<Wait>();
      this.#waits.set(connection, waits);
      const wake = (how: Woken) => {
        timer?.cancel();
        waits.delete(wait);
        if (waits.size === 0) this.#waits.delete(connection);
        resolve(how);
      };
      const wait = { wake, watchesGate };
      const timer = waitMs === undefined ? undefined : this.#clock.after(waitMs, () => wake("due"));
      waits.add(wait);
    });
  }
}
