import { beforeEach, describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { types } from "../wire/codes.ts";
import { parseName } from "../wire/name.ts";
import type { RecordSet } from "../wire/body.ts";
import { canonicalOrder, canonicalRecords } from "./canonical.ts";
import { generateScalar, isSignedBy, keyOf } from "./key.ts";
import type { KeyTimes, ZoneKey } from "./key.ts";
import { keyFlags, keyTag } from "./rdata.ts";
import { SignatureCache, SigningBudget } from "./signature-cache.ts";
import { ZoneSigner } from "./signer.ts";
import type { SigningTools } from "./signer.ts";

const apex = parseName("stream.test.", "")!;
const www = parseName("www.stream.test.", "")!;
const start = 1_795_634_321;
const day = 86_400;

const always: KeyTimes = { publish: 0, activate: 0, inactive: undefined, delete: undefined };
const keyWith = (flags: number, times: Partial<KeyTimes> = {}) =>
  keyOf(apex, flags, generateScalar(), { ...always, ...times });

const addresses: RecordSet = {
  type: types.A,
  ttl: 10,
  data: [Buffer.of(192, 0, 2, 2), Buffer.of(192, 0, 2, 1)],
  texts: ["192.0.2.2", "192.0.2.1"],
};

let now = start;
let made = 0;
let clock = new FakeClock();
beforeEach(() => {
  now = start;
  made = 0;
  clock = new FakeClock();
});

function tools(changes: Partial<SigningTools> = {}): SigningTools {
  return {
    now: () => now,
    random: seededRandom(1),
    lasting: new SignatureCache(100),
    passing: new SignatureCache(3),
    budget: new SigningBudget(clock, 10),
    onSigned: (result) => void (made += result === "made" ? 1 : 0),
    ...changes,
  };
}

const signerOf = (keys: readonly ZoneKey[], changes?: Partial<SigningTools>) =>
  new ZoneSigner(apex, keys, 7 * day, tools(changes));

/** RRSIG data: the fields that tests ask for. */
function fieldsOf(rrsig: RecordSet, at = 0) {
  const data = Buffer.from(rrsig.data[at]!);
  return {
    type: data.readUInt16BE(0),
    labels: data[3],
    ttl: data.readUInt32BE(4),
    expiration: data.readUInt32BE(8),
    inception: data.readUInt32BE(12),
    tag: data.readUInt16BE(16),
    head: data.subarray(0, data.length - 64),
    signature: data.subarray(data.length - 64),
  };
}

function isValid(key: ZoneKey, owner: string, set: RecordSet, rrsig: RecordSet, at = 0): boolean {
  const { head, signature } = fieldsOf(rrsig, at);
  const records = canonicalRecords(
    owner,
    { type: set.type, class: 1, ttl: set.ttl },
    canonicalOrder(set.type, set.data),
  );
  return isSignedBy(key.dnskey, Buffer.concat([head, records]), signature);
}

describe("a signature", () => {
  it("covers the record set, in any order, under a name as it was asked", () => {
    const key = keyWith(keyFlags.entryPoint);
    const signer = signerOf([key]);
    const rrsig = signer.sign(www, addresses);
    expect(rrsig).toMatchObject({ type: types.RRSIG, ttl: 10 });
    expect(fieldsOf(rrsig)).toMatchObject({ type: types.A, labels: 3, ttl: 10, tag: key.tag });
    expect(isValid(key, www, addresses, rrsig)).toBe(true);
    expect(isValid(key, www, { ...addresses, data: addresses.data.toReversed() }, rrsig)).toBe(true);
    expect(isValid(key, www, { ...addresses, data: addresses.data.slice(1) }, rrsig)).toBe(false);
    expect(isValid(key, apex, addresses, rrsig)).toBe(false);
    expect(isValid(keyWith(keyFlags.entryPoint), www, addresses, rrsig)).toBe(false);
  });

  it("begins an hour before it is made, and ends after its validity less at most a 16th", () => {
    const signer = signerOf([keyWith(keyFlags.entryPoint)]);
    const ends = Array.from({ length: 50 }, (_, i) => {
      const { inception, expiration } = fieldsOf(signer.sign(www, { ...addresses, ttl: i }));
      expect(inception).toBe(start - 3_600);
      return expiration - start;
    });
    expect(Math.max(...ends)).toBeLessThanOrEqual(7 * day);
    expect(Math.min(...ends)).toBeGreaterThanOrEqual((7 * day * 15) / 16 - 1);
    expect(new Set(ends).size).toBeGreaterThan(40);
  });

  it("is made once, and anew when half of its time is over", () => {
    const signer = signerOf([keyWith(keyFlags.entryPoint)]);
    const first = signer.sign(www, addresses);
    now += 3 * day;
    expect(signer.sign(www, { ...addresses, data: addresses.data.toReversed() })).toBe(first);
    now += day / 2;
    const second = signer.sign(www, addresses);
    expect(second).not.toBe(first);
    expect(made).toBe(2);
    expect(fieldsOf(second).expiration).toBeGreaterThan(fieldsOf(first).expiration);
  });

  it("is made anew when the wall clock was set back before its inception", () => {
    const signer = signerOf([keyWith(keyFlags.entryPoint)]);
    signer.sign(www, addresses);
    now -= 3_601;
    expect(fieldsOf(signer.sign(www, addresses)).inception).toBe(now - 3_600);
  });

  it("differs for another TTL, owner, type or data", () => {
    const signer = signerOf([keyWith(keyFlags.entryPoint)]);
    signer.sign(www, addresses);
    signer.sign(www, { ...addresses, ttl: 5 });
    signer.sign(apex, addresses);
    signer.sign(www, { ...addresses, type: types.TXT });
    signer.sign(www, { ...addresses, data: addresses.data.slice(1) });
    expect(made).toBe(5);
  });
});

describe("the keys", () => {
  const shownTags = (signer: ZoneSigner, set = 0) =>
    signer.keySets(60)[set]!.data.map((data) => (set === 1 ? Buffer.from(data).readUInt16BE(0) : keyTag(data)));
  const signingTags = (signer: ZoneSigner, type: number) => {
    const rrsig = signer.sign(apex, { ...addresses, type });
    return rrsig.data.map((_, i) => fieldsOf(rrsig, i).tag);
  };

  it("one entry point signs everything", () => {
    const only = keyWith(keyFlags.entryPoint);
    const signer = signerOf([only]);
    for (const set of [0, 1, 2]) expect(shownTags(signer, set)).toEqual([only.tag]);
    for (const type of [types.A, types.DNSKEY, types.CDS, types.CDNSKEY])
      expect(signingTags(signer, type)).toEqual([only.tag]);
  });

  it("an entry point signs the keys, a zone-signing key the rest", () => {
    const [entry, zone] = [keyWith(keyFlags.entryPoint), keyWith(keyFlags.zone)];
    const signer = signerOf([zone, entry]);
    expect(shownTags(signer)).toEqual([zone.tag, entry.tag]);
    expect([1, 2].map((set) => shownTags(signer, set))).toEqual([[entry.tag], [entry.tag]]);
    for (const type of [types.DNSKEY, types.CDS, types.CDNSKEY]) expect(signingTags(signer, type)).toEqual([entry.tag]);
    expect(signingTags(signer, types.SOA)).toEqual([zone.tag]);
  });

  it("roll over by their times", () => {
    const old = keyWith(keyFlags.entryPoint, { inactive: start + 300, delete: start + 400 });
    const next = keyWith(keyFlags.entryPoint, { publish: start + 100, activate: start + 200 });
    const signer = signerOf([old, next]);
    const seen = [0, 99, 100, 200, 300, 400].map((after) => {
      now = start + after;
      const changed = signer.refresh();
      return {
        after,
        changed,
        shown: shownTags(signer),
        signs: signingTags(signer, types.A),
        cds: shownTags(signer, 1),
      };
    });
    const [a, b] = [old.tag, next.tag];
    expect(seen).toEqual([
      { after: 0, changed: false, shown: [a], signs: [a], cds: [a] },
      { after: 99, changed: false, shown: [a], signs: [a], cds: [a] },
      { after: 100, changed: true, shown: [a, b], signs: [a], cds: [a] },
      { after: 200, changed: true, shown: [a, b], signs: [a, b], cds: [a, b] },
      { after: 300, changed: true, shown: [a, b], signs: [b], cds: [b] },
      { after: 400, changed: true, shown: [b], signs: [b], cds: [b] },
    ]);
  });

  it("the last one goes on although its time is over", () => {
    const last = keyWith(keyFlags.entryPoint, { inactive: start + 1 });
    const signer = signerOf([last]);
    now += 2;
    expect(signer.refresh()).toBe(false);
    expect(signingTags(signer, types.A)).toEqual([last.tag]);
  });

  it.each([
    { what: "only zone-signing keys", keys: () => [keyWith(keyFlags.zone)] },
    { what: "only keys that are shown", keys: () => [keyWith(keyFlags.entryPoint, { activate: undefined })] },
  ])("$what are refused", ({ keys }) => {
    expect(() => signerOf(keys())).toThrow("stream.test.: no key with flags 257 is active");
  });
});

describe("signing on demand", () => {
  const setOf = (i: number): RecordSet => ({ ...addresses, data: [Buffer.of(10, 0, i >> 8, i & 0xff)] });

  it("keeps the last used, within its bound", () => {
    const passing = new SignatureCache(3);
    const signer = signerOf([keyWith(keyFlags.entryPoint)], { passing });
    const first = signer.signPassing(www, setOf(0), "tcp");
    for (const i of [1, 2]) signer.signPassing(www, setOf(i), "tcp");
    expect(signer.signPassing(www, setOf(0), "tcp")).toBe(first);
    signer.signPassing(www, setOf(3), "tcp");
    expect(passing.size).toBe(3);
    expect(signer.signPassing(www, setOf(0), "tcp")).toBe(first);
    expect(made).toBe(4);
  });

  it("stops over UDP at half of the limit, over TCP at all of it, and what is kept is free", async () => {
    const signer = signerOf([keyWith(keyFlags.entryPoint)], { passing: new SignatureCache(100) });
    const given = (transport: "udp" | "tcp", from: number) =>
      Array.from({ length: 20 }, (_, i) => signer.signPassing(www, setOf(from + i), transport)).filter(Boolean).length;
    expect(given("udp", 0)).toBe(5);
    expect(signer.signPassing(www, setOf(0), "udp")).toBeDefined();
    expect(given("tcp", 100)).toBe(5);
    expect(given("tcp", 200)).toBe(0);
    await clock.advance(500);
    expect(given("udp", 300)).toBe(0);
    expect(given("tcp", 300)).toBe(5);
    await clock.advance(60_000);
    expect(given("udp", 400)).toBe(5);
    expect(given("tcp", 400)).toBe(10); // five of them were kept
  });
});
