import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { WaitingRoom } from "./waiting-room.ts";

const never = new AbortController().signal;

describe("a waiting room", () => {
  it("lets those try who came first, as many as places are free", async () => {
    const room = new WaitingRoom(new FakeClock());
    const turns: number[] = [];
    const all = [1, 2, 3].map(async (who) => (await room.wait(9, 1_000, never)) && turns.push(who));
    room.free(2);
    await Promise.all(all.slice(0, 2));
    expect(turns).toEqual([1, 2]);
    room.free(1);
    await all[2];
    expect(turns).toEqual([1, 2, 3]);
  });

  it("takes no more than its length", async () => {
    const room = new WaitingRoom(new FakeClock());
    void room.wait(1, 1_000, never);
    expect(await room.wait(1, 1_000, never)).toBe(false);
    expect(room.length).toBe(1);
  });

  it("sends away after the time", async () => {
    const clock = new FakeClock();
    const room = new WaitingRoom(clock);
    const waiting = room.wait(1, 1_000, never);
    await clock.advance(1_000);
    expect(await waiting).toBe(false);
    expect(room.length).toBe(0);
  });

  it("sends away whom nobody waits for any more", async () => {
    const room = new WaitingRoom(new FakeClock());
    const gone = new AbortController();
    const waiting = room.wait(1, 1_000, gone.signal);
    gone.abort();
    expect(await waiting).toBe(false);
    expect(await room.wait(1, 1_000, gone.signal)).toBe(false);
  });
});
