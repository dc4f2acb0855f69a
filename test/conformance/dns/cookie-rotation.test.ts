import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Rig, optionCodes, rcodes } from "./rig.ts";

const minute = 60;
const hour = 60 * minute;
const periodStart = Date.UTC(2027, 0, 1, 12) / 1_000; // secrets change on the hour
const half = Buffer.from("2464c4abcf10c957", "hex");
const cookies = { rotate: "1h", require: true };

let rig: Rig;
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  at(-5 * minute);
  rig = await Rig.start(121, { cookies });
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  vi.useRealTimers();
});

/** Seconds from the moment when the secret changes. */
const at = (seconds: number) => void vi.setSystemTime((periodStart + seconds) * 1_000);

/** Code and cookie of the reply to a query with this cookie. */
async function ask(cookie: Uint8Array, of = rig): Promise<{ rcode: number; cookie: Buffer }> {
  const reply = await of.ask({ edns: { options: [[optionCodes.cookie, cookie]] } });
  return { rcode: reply.rcode, cookie: reply.opt!.options.get(optionCodes.cookie)! };
}

describe("as secrets change (RFC 9018 §5)", () => {
  it("a cookie of the secret before is still good, and replaced by one of the new secret", async () => {
    const { cookie: before } = await ask(half);
    expect(await ask(before)).toEqual({ rcode: rcodes.NOERROR, cookie: before });
    at(5 * minute);
    const renewed = await ask(before);
    expect(renewed.rcode).toBe(rcodes.NOERROR);
    expect(renewed.cookie.subarray(0, 8)).toEqual(half);
    expect(renewed.cookie).not.toEqual(before);
    expect(await ask(renewed.cookie)).toEqual({ rcode: rcodes.NOERROR, cookie: renewed.cookie });
  });

  it("a cookie is good for an hour, and renewed when it is half an hour old", async () => {
    at(0);
    const { cookie } = await ask(half);
    at(30 * minute);
    expect(await ask(cookie)).toEqual({ rcode: rcodes.NOERROR, cookie });
    at(30 * minute + 1);
    const renewed = await ask(cookie);
    expect([renewed.rcode, renewed.cookie.equals(cookie)]).toEqual([rcodes.NOERROR, false]);
    at(hour);
    expect((await ask(cookie)).rcode).toBe(rcodes.NOERROR);
    at(hour + 1);
    expect((await ask(cookie)).rcode).toBe(rcodes.BADCOOKIE);
  });

  it("processes of one seed make and take the same cookies, before and after; one of another seed does not", async () => {
    await using worker = await Rig.start(122, { cookies });
    await using stranger = await Rig.start(123, { cookies }, { seed: Buffer.alloc(32, 2) });
    for (const seconds of [-5 * minute, 5 * minute]) {
      at(seconds);
      const { cookie } = await ask(half);
      expect(await ask(cookie, worker)).toEqual({ rcode: rcodes.NOERROR, cookie });
      expect((await ask(cookie, stranger)).rcode).toBe(rcodes.BADCOOKIE);
    }
  });
});
