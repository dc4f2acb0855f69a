import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { checkCookie, cookieOptionBytes, cookieSecretsOf, cookieVerdicts, writeCookieOption } from "./cookie.ts";
import type { CookieVerdict } from "./cookie.ts";

const bytes = (hex: string) => Buffer.from(hex, "hex");
const secret = "e5e973e5a6b2a43f48e7dc849e37bfcf";
const former = "dd3bdf9344b678b185a6f5cb60fca715";
const latter = "445536bcd2513298075a5d379663c962";
const secretsOf = (...secrets: string[]) => cookieSecretsOf(secrets.map(bytes));
const ipv6 = "2001:db8:220:1:59de:d0f4:8769:82b8";

/** A query holds the value behind other bytes. */
function verdictOf(value: string, { client = "198.51.100.100", at = 1_559_731_985, secrets = [secret] } = {}) {
  const message = Buffer.concat([Buffer.alloc(5, 0xff), bytes(value), Buffer.alloc(3, 0xff)]);
  const verdict = checkCookie(message, 5, value.length / 2, parseAddress(client)!, at, secretsOf(...secrets));
  return Object.entries(cookieVerdicts).find(([, code]) => code === verdict)?.[0];
}

function written(value: string, verdict: CookieVerdict, client: string, at: number, secrets: readonly string[]) {
  const into = new Uint8Array(cookieOptionBytes + 2).fill(0xee);
  const end = writeCookieOption(into, 1, bytes(value), 0, verdict, parseAddress(client)!, at, secretsOf(...secrets));
  expect(end).toBe(1 + cookieOptionBytes);
  return Buffer.from(into).toString("hex");
}

describe("a server cookie", () => {
  it.each([
    {
      name: "for whom is new",
      client: "198.51.100.100",
      secrets: [secret],
      at: 1_559_731_985,
      asked: "2464c4abcf10c957",
      given: "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
    },
    {
      name: "renewed after 40 minutes",
      client: "198.51.100.100",
      secrets: [secret],
      at: 1_559_734_385,
      asked: "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
      given: "2464c4abcf10c957010000005cf7a871d4a564a1442aca77",
    },
    {
      name: "with reserved bytes in that of the query",
      client: "203.0.113.203",
      secrets: [secret],
      at: 1_559_734_700,
      asked: "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
      given: "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
    },
    {
      name: "after a new secret, over IPv6",
      client: ipv6,
      secrets: [latter, former],
      at: 1_559_741_961,
      asked: "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
      given: "22681ab97d52c298010000005cf7c609a6bb79d16625507a",
    },
  ])("$name is that of RFC 9018, appendix A", ({ client, secrets, at, asked, given }) => {
    expect(written(asked, cookieVerdicts.stale, client, at, secrets)).toBe(`ee000a0018${given}ee`);
  });

  const good = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
  it("goes back as it came while it is fresh", () => {
    expect(written(good, cookieVerdicts.fresh, "198.51.100.100", 1_559_733_000, [secret])).toBe(`ee000a0018${good}ee`);
  });

  const givenAt = 1_559_731_985;
  it.each([
    { name: "just given", at: givenAt, verdict: "fresh" },
    { name: "half an hour old", at: givenAt + 1_800, verdict: "fresh" },
    { name: "older than that", at: givenAt + 1_801, verdict: "stale" },
    { name: "an hour old", at: givenAt + 3_600, verdict: "stale" },
    { name: "older than an hour", at: givenAt + 3_601, verdict: "invalid" },
    { name: "given by a twin whose clock is 5 minutes ahead", at: givenAt - 300, verdict: "fresh" },
    { name: "from further in the future", at: givenAt - 301, verdict: "invalid" },
    { name: "made with the former secret", at: givenAt, secrets: [latter, secret], verdict: "stale" },
    { name: "made with a secret that is gone", at: givenAt, secrets: [latter, former], verdict: "invalid" },
    { name: "given to another address", at: givenAt, client: "198.51.100.101", verdict: "invalid" },
  ])("$name is $verdict", ({ verdict, ...circumstances }) => {
    expect(verdictOf(good, circumstances)).toBe(verdict);
  });

  it("with reserved bytes is checked with them, as RFC 9018 has it", () => {
    const value = "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5";
    expect(verdictOf(value, { client: "203.0.113.203", at: 1_559_727_985 })).toBe("fresh");
  });

  it("with any bit changed is invalid", () => {
    for (let bit = 0; bit < 24 * 8; bit++) {
      const changed = bytes(good);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      expect([bit, verdictOf(changed.toString("hex"))]).toEqual([bit, "invalid"]);
    }
  });
});

describe("the length of a cookie", () => {
  it.each([
    { lengths: [0, 1, 7, 9, 12, 15, 41, 100], verdict: "malformed" },
    { lengths: [8], verdict: "clientOnly" },
    { lengths: [16, 23, 24, 25, 40], verdict: "invalid" },
  ])("$lengths is $verdict", ({ lengths, verdict }) => {
    for (const length of lengths) expect([length, verdictOf("ab".repeat(length))]).toEqual([length, verdict]);
  });
});
