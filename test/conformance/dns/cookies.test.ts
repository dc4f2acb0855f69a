import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Rig, hasDig, hasKdig, optionCodes, rcodes } from "./rig.ts";

const secret = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const clientCookie = Buffer.from("2464c4abcf10c957", "hex");
let twin: Rig;
let rig: Rig;
let strict: Rig;
beforeAll(async () => {
  rig = await Rig.start(104, { cookies: { secrets: [secret] } });
  twin = await Rig.start(105, { cookies: { secrets: ["ab".repeat(16), secret] } });
  strict = await Rig.start(106, { cookies: { require: true } });
});
afterAll(async () => {
  for (const one of [rig, twin, strict]) await one[Symbol.asyncDispose]();
});

const withCookie = (...parts: readonly Uint8Array[]) => ({
  edns: { options: [[optionCodes.cookie, Buffer.concat(parts)]] as const },
});
/** The whole cookie that a server gives for half of one. */
async function learn(from: Rig): Promise<Buffer> {
  return (await from.ask(withCookie(clientCookie))).opt!.options.get(optionCodes.cookie)!;
}

describe("DNS cookies (RFC 7873, RFC 9018)", () => {
  it("the client half comes back with a server half of version 1, 16 bytes, of now", async () => {
    const cookie = await learn(rig);
    expect(cookie).toHaveLength(24);
    expect(cookie.subarray(0, 8)).toEqual(clientCookie);
    expect(cookie.subarray(8, 12)).toEqual(Buffer.of(1, 0, 0, 0));
    expect(Math.abs(cookie.readUInt32BE(12) - Date.now() / 1_000)).toBeLessThan(60);
  });

  it("a good cookie comes back as it is", async () => {
    const cookie = await learn(rig);
    expect((await rig.ask(withCookie(cookie))).opt?.options.get(optionCodes.cookie)).toEqual(cookie);
  });

  it("a cookie is good at a name server that knows the secret, which then gives its own", async () => {
    const cookie = await learn(rig);
    const reply = await twin.ask({ questions: 0, ...withCookie(cookie) });
    expect(reply.rcode).toBe(rcodes.NOERROR);
    expect(reply.opt?.options.get(optionCodes.cookie)).not.toEqual(cookie);
    expect((await strict.ask({ questions: 0, ...withCookie(cookie) })).rcode).toBe(rcodes.BADCOOKIE);
  });

  it("secrets of a file are read again when it changes; a bad file is refused", async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "watershed-")), "secrets");
    writeFileSync(file, "ab".repeat(16));
    await using filed = await Rig.start(113, { cookies: { secretFile: file } });
    const { host } = filed.bench;
    const told = (type: string) => host.events.since(0).some((event) => event.type === type);
    const good = async (cookie: Uint8Array) =>
      (await filed.ask({ questions: 0, ...withCookie(cookie) })).rcode === rcodes.NOERROR;
    const cookie = await learn(filed);
    writeFileSync(file, "not a secret");
    await filed.bench.until(() => told("cookie_secrets_refused"));
    expect(await good(cookie)).toBe(true);
    writeFileSync(file, `${"cd".repeat(16)}\n${"ab".repeat(16)}\n`);
    await filed.bench.until(() => told("cookie_secrets_read"));
    expect(await good(cookie)).toBe(true);
    expect(await learn(filed)).not.toEqual(cookie);
  });

  it.each([0, 1, 7, 9, 15, 41, 64])("a cookie of %i bytes is FORMERR", async (length) => {
    const reply = await rig.ask(withCookie(Buffer.alloc(length, 1)));
    expect(reply).toMatchObject({ rcode: rcodes.FORMERR, answers: [], opt: { version: 0 } });
  });

  it("a query for a cookie alone is answered without a question", async () => {
    const reply = await rig.ask({ questions: 0, ...withCookie(clientCookie) });
    expect(reply).toMatchObject({ rcode: rcodes.NOERROR, answers: [], authority: [] });
    expect(reply.opt?.options.get(optionCodes.cookie)).toHaveLength(24);
  });

  it("where cookies are required, BADCOOKIE brings a good one, over UDP only", async () => {
    const refused = await strict.ask(withCookie(clientCookie));
    expect(refused).toMatchObject({ rcode: rcodes.BADCOOKIE, answers: [], tc: false });
    const cookie = refused.opt!.options.get(optionCodes.cookie)!;
    expect(await strict.ask(withCookie(cookie))).toMatchObject({ rcode: rcodes.NOERROR, aa: true });
    expect((await strict.ask(withCookie(cookie), "127.0.0.2")).rcode).toBe(rcodes.BADCOOKIE);
    expect((await strict.askTcp(withCookie(clientCookie))).rcode).toBe(rcodes.NOERROR);
    expect((await strict.ask({ edns: {} })).rcode).toBe(rcodes.NOERROR);
  });

  it.skipIf(!hasDig)("dig finds them good, and tries again on BADCOOKIE (skipped without dig)", async () => {
    expect(await rig.dig("+cookie", "www.stream.test")).toMatch(/COOKIE: [0-9a-f]{48} \(good\)/);
    const again = await strict.dig("+cookie", "www.stream.test");
    expect(again).toContain("BADCOOKIE, retrying");
    expect(again).toMatch(/status: NOERROR[^]*COOKIE: [0-9a-f]{48} \(good\)/);
    expect(await strict.dig("+cookie", "+nobadcookie", "www.stream.test")).toContain("status: BADCOOKIE");
    expect(await rig.dig("+cookie=24", "www.stream.test")).toContain("status: FORMERR");
  });

  it.skipIf(!hasKdig)("kdig reads them, and tries again on BADCOOKIE (skipped without kdig)", async () => {
    expect(await rig.kdig(["+cookie", "www.stream.test"])).toMatch(/COOKIE: [0-9a-f]{48}/i);
    expect(await strict.kdig(["+cookie", "+badcookie", "www.stream.test"])).toMatch(/status: NOERROR/);
  });
});
