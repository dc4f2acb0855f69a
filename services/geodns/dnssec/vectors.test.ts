import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { types } from "../wire/codes.ts";
import { formatName, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { canonicalData, canonicalOrder, canonicalRecords, labelCount } from "./canonical.ts";
import { nsecSet, successorBelow, successorBeside, typeBitmap } from "./denial.ts";
import { dsOf, isSignedBy, keyOf } from "./key.ts";
import { encodeRrsigHead, formatTime, keyTag, parseTime } from "./rdata.ts";

const name = (text: string) => parseName(text, "")!;
const always = { publish: 0, activate: 0, inactive: undefined, delete: undefined };

describe("the example of RFC 6605 §6.1", () => {
  const scalar = Buffer.from("GU6SnQ/Ou+xC5RumuIUIuJZteXT2z0O/ok1s38Et6mQ=", "base64");
  const key = keyOf(name("example.net."), 257, scalar, always);

  it("has this DNSKEY, tag and DS", () => {
    expect(Buffer.from(key.dnskey).toString("base64", 4)).toBe(
      "GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==",
    );
    expect(key.tag).toBe(55_648);
    expect(dsOf(key).toString("hex")).toBe("d9600d02b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17");
  });

  it("has a signature of www.example.net that fits what we sign", () => {
    const owner = name("www.example.net.");
    const head = encodeRrsigHead({
      typeCovered: types.A,
      labels: labelCount(owner),
      originalTtl: 3_600,
      expiration: parseTime("20100909100439")!,
      inception: parseTime("20100812100439")!,
      tag: 55_648,
      signer: key.zone,
    });
    const records = canonicalRecords(owner, { type: types.A, class: 1, ttl: 3_600 }, [Buffer.of(192, 0, 2, 1)]);
    const signature = Buffer.from(
      "qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==",
      "base64",
    );
    expect(isSignedBy(key.dnskey, Buffer.concat([head, records]), signature)).toBe(true);
    records[records.length - 1] = 2;
    expect(isSignedBy(key.dnskey, Buffer.concat([head, records]), signature)).toBe(false);
  });
});

describe("RFC 4034", () => {
  it("§5.4: the tag of its DNSKEY is 60485", () => {
    const key =
      "AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMm" +
      "mAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==";
    expect(keyTag(Buffer.concat([Buffer.of(1, 0, 3, 5), Buffer.from(key, "base64")]))).toBe(60_485);
  });

  it("§4.3: A MX RRSIG NSEC TYPE1234 are these bits", () => {
    const window4 = `041b${"00".repeat(26)}20`;
    expect(typeBitmap([1, 15, 46, 47, 1_234]).toString("hex")).toBe(`0006400100000003${window4}`);
  });

  it.each([
    { text: "www.example.net.", count: 3 },
    { text: "*.example.net.", count: 2 },
    { text: "a.*.example.net.", count: 4 },
    { text: ".", count: 0 },
  ])("§3.1.3: $text has $count labels", ({ text, count }) => {
    expect(labelCount(name(text))).toBe(count);
  });

  it.each([
    { type: "NS", number: 2, data: "\x03Ns1\x04Test\0", lowered: "\x03ns1\x04test\0" },
    { type: "SOA", number: 6, data: "\x01A\0\x01B\0\0\0\0A", lowered: "\x01a\0\x01b\0\0\0\0A" },
    { type: "MX", number: 15, data: "\x41\x42\x01C\0", lowered: "\x41\x42\x01c\0" },
    { type: "SRV", number: 33, data: "ABCDEF\x01G\0", lowered: "ABCDEF\x01g\0" },
    { type: "NAPTR", number: 35, data: "ABCD\x01U\x01S\0\x01R\0", lowered: "ABCD\x01U\x01S\0\x01r\0" },
    { type: "NSEC, by RFC 6840 §5.1", number: 47, data: "\x01A\0\0\x01@", lowered: "\x01A\0\0\x01@" },
    { type: "TXT", number: 16, data: "\x02Ab", lowered: "\x02Ab" },
    { type: "NS, cut", number: 2, data: "\x09Ns", lowered: "\x09ns" },
  ])("§6.2: names in $type", ({ number, data, lowered }) => {
    expect(Buffer.from(canonicalData(number, Buffer.from(data, "latin1"))).toString("latin1")).toBe(lowered);
  });

  it("§6.3: data is sorted from the left, shorter first, each once", () => {
    const data = [[2], [1, 9], [1], [2]].map((bytes) => Buffer.from(bytes));
    expect(canonicalOrder(16, data).map((one) => [...one])).toEqual([[1], [1, 9], [2]]);
  });

  it("§3.2: times", () => {
    expect(formatTime(1_281_607_479)).toBe("20100812100439");
    expect(parseTime("20100812100439")).toBe(1_281_607_479);
    expect(["2010", "20101312100439", "2010-08-12", ""].map(parseTime)).toEqual(Array(4).fill(undefined));
  });
});

/** Labels from the right, for the canonical order of RFC 4034 §6.1. */
function labels(of: Name): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < of.length; at += 1 + of.charCodeAt(at))
    found.unshift(Buffer.from(of.slice(at + 1, at + 1 + of.charCodeAt(at)), "latin1"));
  return found;
}

function compareNames(a: Name, b: Name): number {
  const [left, right] = [labels(a), labels(b)];
  for (const [i, label] of left.entries()) {
    const other = right[i];
    if (!other) return 1;
    const order = Buffer.compare(label, other);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

const apex = name("stream.test.");

describe("the next name of an NSEC", () => {
  const long = (bytes: number, filler = "a") => {
    let text = apex;
    while (text.length < bytes) {
      const length = Math.min(63, bytes - text.length - 1);
      text = String.fromCharCode(length) + filler.repeat(length) + text;
    }
    return text;
  };

  it.each([
    { of: "www.stream.test.", below: "\\000.www.stream.test.", beside: "www\\000.stream.test." },
    { of: "stream.test.", below: "\\000.stream.test.", beside: "stream.test." },
    { of: `${"a".repeat(63)}.stream.test.`, beside: `${"a".repeat(62)}b.stream.test.` },
    { of: `${"a".repeat(62)}\\@.stream.test.`, beside: `${"a".repeat(62)}[.stream.test.` },
  ])("of $of", ({ of, below, beside }) => {
    expect(formatName(successorBelow(name(of), apex))).toBe(below ?? `\\000.${of}`);
    expect(formatName(successorBeside(name(of), apex))).toBe(beside);
  });

  it("of the last name of a dnsZone is its apex", () => {
    expect(successorBeside(`\x3f${"\xff".repeat(63)}${apex}`, apex)).toBe(apex);
  });

  it.each([251, 252, 253, 254])("fits where the name has %i bytes", (bytes) => {
    for (const filler of ["a", "@", "\xff"]) {
      const full = long(bytes, filler);
      expect(full).toHaveLength(bytes);
      for (const next of [successorBelow(full, apex), successorBeside(full, apex)]) {
        expect(next.length).toBeLessThanOrEqual(254);
        if (next !== apex) expect(compareNames(next, full)).toBeGreaterThan(0);
      }
    }
  });

  it("lies behind the name, and before every other that is behind it", () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => {
      const lowered = bytes.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
      return String.fromCharCode(bytes.length) + Buffer.from(lowered).toString("latin1");
    });
    const below = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("") + apex);
    fc.assert(
      fc.property(below, below, (one, other) => {
        if (compareNames(other, one) <= 0) return;
        expect(compareNames(successorBelow(one, apex), one)).toBeGreaterThan(0);
        expect(compareNames(successorBelow(one, apex), other)).toBeLessThanOrEqual(0);
        const beside = successorBeside(one, apex);
        expect(compareNames(beside, other) <= 0).toBe(!other.endsWith(one));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("the NSEC of", () => {
  it.each([
    { what: "a name that is not there", kind: "nxname", given: [1], text: "\\000.www.stream.test. RRSIG NSEC NXNAME" },
    { what: "a name with A and TXT", kind: "nodata", given: [16, 1], text: "\\000.www.stream.test. A TXT RRSIG NSEC" },
    { what: "an empty non-terminal", kind: "nodata", given: [], text: "\\000.www.stream.test. RRSIG NSEC" },
    { what: "a delegation", kind: "delegation", given: [2], text: "www\\000.stream.test. NS RRSIG NSEC" },
  ] as const)("$what", ({ kind, given, text }) => {
    expect(nsecSet(name("www.stream.test."), apex, given, kind, 30)).toMatchObject({
      type: 47,
      ttl: 30,
      texts: [text],
    });
  });
});
