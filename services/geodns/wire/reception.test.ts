import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { ecs, queryBytes, readReply } from "#test/support/dns.ts";
import type { QueryOptions } from "#test/support/dns.ts";
import { snapshotOf } from "#test/support/geodns-snapshot.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { Answerer } from "../answer.ts";
import type { Transport } from "../answer.ts";
import { buildIdentity } from "../snapshot.ts";
import type { Snapshot } from "../snapshot.ts";
import { cookieSecretsOf } from "./cookie.ts";
import type { Terms } from "./reception.ts";

const nowSeconds = 1_559_731_985;
const secrets = cookieSecretsOf([Buffer.from("e5e973e5a6b2a43f48e7dc849e37bfcf", "hex")]);
const terms = termsOf({ secrets, nowSeconds, idleMs: 12_340 });
const requiring: Terms = { ...terms, requiresCookies: true };
const withoutCookies: Terms = { ...terms, hasCookies: false };
const out = Buffer.alloc(65_535);
const client = parseAddress("198.51.100.100")!;
const half = "2464c4abcf10c957";
const whole = "2464c4abcf10c957010000005cf79f111f8130c3eee29480";
const bad = `${whole.slice(0, -2)}81`;
const codes = { nsid: 3, ecs: 8, cookie: 10, keepalive: 11, padding: 12, extendedError: 15 };

type Options = NonNullable<NonNullable<QueryOptions["edns"]>["options"]>;
const hex = (text: string) => Buffer.from(text, "hex");
const withCookie = (value: string): { edns: { options: Options } } => ({
  edns: { options: [[codes.cookie, hex(value)]] },
});

interface Circumstances {
  readonly on?: Terms;
  readonly transport?: Transport;
  readonly snapshot?: Snapshot;
}

function ask(query: QueryOptions, { on = terms, transport = "udp", snapshot = snapshotOf() }: Circumstances = {}) {
  const answerer = new Answerer(snapshot, on);
  const length = answerer.answer(queryBytes(query), { address: client }, transport, out);
  return { ...readReply(Buffer.from(out.subarray(0, length))), isProven: answerer.reception.isProven };
}
const option = (reply: ReturnType<typeof ask>, code: number) => reply.opt?.options.get(code)?.toString("hex");

describe("cookies", () => {
  it.each([
    { name: "half of one", cookie: half, isProven: false },
    { name: "ours", cookie: whole, isProven: true },
    { name: "one that is not ours", cookie: bad, isProven: false },
    { name: "one of another make", cookie: `${half}0011223344556677`, isProven: false },
  ])("$name is answered with ours", ({ cookie, isProven }) => {
    const reply = ask(withCookie(cookie));
    expect(reply).toMatchObject({ rcode: 0, isProven });
    expect(option(reply, codes.cookie)).toBe(whole);
    expect(reply.answers.length).toBeGreaterThan(0);
  });

  it.each(["", "24", half.slice(2), `${half}00`, `${half}00112233445566`, `${half}${"00".repeat(33)}`])(
    "%j is FORMERR",
    (cookie) => {
      const reply = ask(withCookie(cookie));
      expect(reply).toMatchObject({ rcode: 1, answers: [], opt: { version: 0 } });
      expect(option(reply, codes.cookie)).toBeUndefined();
    },
  );

  it("of several the first counts", () => {
    const reply = ask({
      edns: {
        options: [
          [codes.cookie, hex(whole)],
          [codes.cookie, hex("24")],
        ],
      },
    });
    expect(reply).toMatchObject({ rcode: 0, isProven: true });
  });

  it("switched off mean nothing, whatever their length", () => {
    const reply = ask(withCookie("24"), { on: withoutCookies });
    expect([reply.rcode, reply.opt?.options.size]).toEqual([0, 0]);
  });

  it.each([
    { name: "half of one over UDP", cookie: half, transport: "udp", rcode: 23 },
    { name: "a bad one over UDP", cookie: bad, transport: "udp", rcode: 23 },
    { name: "ours over UDP", cookie: whole, transport: "udp", rcode: 0 },
    { name: "a bad one over TCP", cookie: bad, transport: "tcp", rcode: 0 },
    { name: "half of one over HTTPS", cookie: half, transport: "https", rcode: 0 },
  ] as const)("required: $name gets rcode $rcode, and ours", ({ cookie, transport, rcode }) => {
    const reply = ask(withCookie(cookie), { on: requiring, transport });
    expect([reply.rcode, reply.answers.length > 0]).toEqual([rcode, rcode === 0]);
    expect(option(reply, codes.cookie)).toBe(whole);
  });

  it("required of those who speak cookies: others are answered", () => {
    expect(ask({ edns: {} }, { on: requiring }).rcode).toBe(0);
    expect(ask({}, { on: requiring }).rcode).toBe(0);
  });

  it.each([
    { name: "half of one", cookie: half, rcode: 0 },
    { name: "ours", cookie: whole, rcode: 0 },
    { name: "a bad one", cookie: bad, rcode: 23 },
    { name: "a malformed one", cookie: "24", rcode: 1 },
  ])("without a question: $name gets rcode $rcode", ({ cookie, rcode }) => {
    const reply = ask({ questions: 0, ...withCookie(cookie) });
    expect(reply).toMatchObject({ rcode, aa: false, question: hex(""), answers: [], authority: [] });
    expect(option(reply, codes.cookie)).toBe(rcode === 1 ? undefined : whole);
  });

  it("switched off, no question is FORMERR", () => {
    expect(ask({ questions: 0, ...withCookie(half) }, { on: withoutCookies }).rcode).toBe(1);
    expect(ask({ questions: 2, ...withCookie(half) }).rcode).toBe(1);
  });
});

describe("edns-tcp-keepalive", () => {
  const asking = (value: string): QueryOptions => ({ edns: { options: [[codes.keepalive, hex(value)]] } });
  it.each([
    { transport: "tcp", value: "", rcode: 0, told: "007b" },
    { transport: "tls", value: "", rcode: 0, told: "007b" },
    { transport: "tcp", value: "0064", rcode: 1, told: "007b" },
    { transport: "udp", value: "", rcode: 0, told: undefined },
    { transport: "udp", value: "0064", rcode: 0, told: undefined },
    { transport: "https", value: "", rcode: 0, told: undefined },
  ] as const)("over $transport with $value: rcode $rcode, told $told", ({ transport, value, rcode, told }) => {
    const reply = ask(asking(value), { transport });
    expect([reply.rcode, option(reply, codes.keepalive)]).toEqual([rcode, told]);
  });

  it("is not told unless asked, and never more than fits", () => {
    expect(option(ask({ edns: {} }, { transport: "tcp" }), codes.keepalive)).toBeUndefined();
    const patient = { ...terms, idleMs: 86_400_000 };
    expect(option(ask(asking(""), { transport: "tcp", on: patient }), codes.keepalive)).toBe("ffff");
  });
});

describe("padding", () => {
  const padded: QueryOptions = { edns: { options: [[codes.padding, Buffer.alloc(20)]] } };
  it.each(["tls", "https"] as const)("over %s fills blocks of 468 bytes with zeros", (transport) => {
    for (const name of ["www.stream.test", "no.stream.test", "big.stream.test"]) {
      const reply = ask({ ...padded, name, type: 16 }, { transport });
      expect(reply.bytes % 468).toBe(0);
      expect(option(reply, codes.padding)).toMatch(/^(00)*$/);
    }
  });

  it.each(["udp", "tcp"] as const)("over %s there is none", (transport) => {
    expect(option(ask(padded, { transport }), codes.padding)).toBeUndefined();
  });

  it("there is none for a query without", () => {
    expect(option(ask({ edns: {} }, { transport: "tls" }), codes.padding)).toBeUndefined();
  });
});

describe("extended errors", () => {
  it.each([
    { name: "outside every dnsZone", query: { name: "example.org" }, code: 20 },
    { name: "a transfer", query: { name: "stream.test", type: 252 }, code: 18 },
    { name: "class HS", query: { class: 4 }, code: 21 },
    { name: "class CH", query: { name: "authors.bind", type: 16, class: 3 }, code: 18 },
  ])("$name: $code, to those with EDNS", ({ query, code }) => {
    expect(
      ask({ ...query, edns: {} })
        .opt?.options.get(codes.extendedError)
        ?.readUInt16BE(0),
    ).toBe(code);
    expect(ask(query)).toMatchObject({ rcode: 5, opt: undefined });
  });
});

describe("a response over the rate limit", () => {
  const cut = (query: QueryOptions) => {
    const answerer = new Answerer(snapshotOf(), terms);
    answerer.answer(queryBytes(query), { address: client }, "udp", out);
    return readReply(Buffer.from(out.subarray(0, answerer.answerCut(out))));
  };
  it.each([
    { name: "without EDNS", query: {}, rcode: 0, tc: true },
    { name: "with EDNS", query: { edns: {} }, rcode: 0, tc: true },
    { name: "of one who knows cookies", query: withCookie(half), rcode: 23, tc: false },
  ])("$name: rcode $rcode, TC $tc, nothing but the question", ({ query, rcode, tc }) => {
    const reply = cut(query);
    expect(reply).toMatchObject({ rcode, tc, aa: false, answers: [], authority: [] });
    expect(reply.question).toHaveLength(21);
    expect(reply.bytes).toBeLessThanOrEqual(queryBytes(query).length + 16); // a server cookie at most is added
  });
});

describe("the smallest message", () => {
  it("holds the longest question with every option and an extended error", () => {
    const name = [63, 63, 63, 59].map((length) => "a".repeat(length)).join(".");
    const options: Options = [
      [codes.nsid, Buffer.alloc(0)],
      ecs(2, 128, Array<number>(16).fill(1)),
      [codes.cookie, hex(half)],
    ];
    const snapshot = { ...snapshotOf(), identity: buildIdentity({ id: "x".repeat(128) }) };
    const starting = { ...snapshotOf(undefined, false), identity: snapshot.identity };
    for (const [asked, on] of [
      [{ name, class: 4 }, snapshot],
      [{ name, type: 252 }, snapshot],
      [{ name: `${"a.".repeat(120)}test` }, snapshot],
      [{ name: "www.stream.test" }, starting],
    ] as const) {
      const reply = ask({ ...asked, edns: { udpBytes: 512, options } }, { snapshot: on });
      expect(reply.opt?.options.size).toBe(4);
      expect(reply.bytes).toBeLessThanOrEqual(512);
    }
  });
});
