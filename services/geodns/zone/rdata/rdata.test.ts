import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inlineTypes } from "../inline.ts";
import { parseType, types } from "../../wire/codes.ts";
import { parseName } from "../../wire/name.ts";
import { formatData, grammars, parseData, targetsOf } from "./grammar.ts";
import { lexLine } from "./lexer.ts";
import { RecordError } from "./words.ts";

const origin = parseName("example.com", "")!;

/** Data of a record as hexadecimal digits. */
function hexOf(type: string, text: string): string {
  return Buffer.from(parseData(parseType(type)!, lexLine(text), origin)).toString("hex");
}

function complaint(type: string, text: string): string {
  try {
    return hexOf(type, text);
  } catch (error) {
    if (error instanceof RecordError) return error.message;
    throw error;
  }
}

const exampleCom = "076578616d706c6503636f6d00";
const foo = `03666f6f${exampleCom}`;

/** Data as the RFCs print it, and the same for people. */
const records: [type: string, text: string, hex: string, told?: string][] = [
  ["A", "192.0.2.1", "c0000201"],
  ["AAAA", "2001:DB8:0::1", "20010db8000000000000000000000001", "2001:db8::1"],
  ["NS", "foo", foo, "foo.example.com."],
  ["CNAME", "@", exampleCom, "example.com."],
  ["PTR", ".", "00"],
  ["MX", "10 foo", `000a${foo}`, "10 foo.example.com."],
  ["SRV", "1 2 443 foo.example.com.", `0001000201bb${foo}`],
  ["TXT", '"v=spf1 -all" "b" c', "0b763d73706631202d616c6c01620163", '"v=spf1 -all" "b" "c"'],
  ["TXT", '"a\\"\\\\\\000\\195\\164"', "066122 5c00c3a4".replace(" ", "")],
  ["HINFO", '"PC" Linux', "025043054c696e7578", '"PC" "Linux"'],
  ["CAA", '0 issue "ca.example.net"', "00056973737565636 12e6578616d706c652e6e6574".replace(" ", "")],
  ["CAA", '128 tbs "Unknown"', "8003746273556e6b6e6f776e"],
  [
    "DS",
    "60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118",
    "ec4505012bb183af5f22588179a53b0a98631fad1a292118",
    "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
  ],
  [
    "SSHFP",
    "2 1 123456789abcdef67890123456789abcdef67890",
    "0201123456789abcdef67890123456789abcdef67890",
    "2 1 123456789ABCDEF67890123456789ABCDEF67890",
  ],
  ["TLSA", "3 1 1 00ff", "03010100ff", "3 1 1 00FF"],
  [
    "NAPTR",
    '100 10 "S" "SIP+D2U" "" foo',
    `0064000a01530753 49502b44325500${foo}`.replace(" ", ""),
    '100 10 "S" "SIP+D2U" "" foo.example.com.',
  ],
  ["URI", '10 1 "ftp://x"', "000a00016674703a2f2f78"],
  ["CERT", "PKIX 1 ECDSAP256SHA256 AQID", "000100010d010203", "1 1 13 AQID"],
  ["DNSKEY", "256 3 13 AQ ID", "0100030d010203", "256 3 13 AQID"],
  ["EUI48", "00-00-5e-00-53-2a", "00005e00532a"],
  ["RP", "a.b. .", "016101620000"],
  ["OPENPGPKEY", "AQID", "010203"],
  ["TYPE731", "\\# 3 abcdef", "abcdef", "\\# 3 ABCDEF"],
  ["TYPE731", "\\# 6 abcd ef 012345", "abcdef012345", "\\# 6 ABCDEF012345"],
  ["TYPE62347", "\\# 0", ""],
  ["A", "\\# 4 0A000001", "0a000001", "10.0.0.1"],
];

/** RFC 9460 Appendix D. */
const serviceBindings: [text: string, hex: string, told?: string][] = [
  ["0 foo.example.com.", `0000${foo}`],
  ["1 .", "000100"],
  ["16 foo.example.com. port=53", `0010${foo}000300020035`],
  ["1 foo.example.com. key667=hello", `0001${foo}029b000568656c6c6f`, '1 foo.example.com. key667="hello"'],
  ['1 foo.example.com. key667="hello\\210qoo"', `0001${foo}029b000968656c6c6fd2716f6f`],
  [
    '1 foo.example.com. ipv6hint="2001:db8::1,2001:db8::53:1"',
    `0001${foo}0006002020010db800000000000000000000000120010db8000000000000000000530001`,
    "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1",
  ],
  [
    '1 example.com. ipv6hint="2001:db8:122:344::192.0.2.33"',
    `0001${exampleCom}0006001020010db8012203440000 0000c0000221`.replace(" ", ""),
    "1 example.com. ipv6hint=2001:db8:122:344::c000:221",
  ],
  [
    '16 foo.example.org. alpn="h2,h3-19" mandatory="ipv4hint,alpn" ipv4hint="192.0.2.1"',
    "001003666f6f076578616d706c65036f72670000000004000100040001000902683205 68332d313900040004c0000201".replace(
      " ",
      "",
    ),
    '16 foo.example.org. mandatory=alpn,ipv4hint alpn="h2,h3-19" ipv4hint=192.0.2.1',
  ],
  [
    '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
    "001003666f6f076578616d706c65036f726700000 1000c08665c6f6f2c626172026832".replace(" ", ""),
  ],
  [
    "16 foo.example.org. alpn=f\\\\\\092oo\\092,bar,h2",
    "001003666f6f076578616d706c65036f726700000 1000c08665c6f6f2c626172026832".replace(" ", ""),
    '16 foo.example.org. alpn="f\\\\\\\\oo\\\\,bar,h2"',
  ],
  [
    "1 . no-default-alpn alpn=h2 ech=AQID dohpath=/q{?dns} ohttp",
    "0001000001000302683200020000000500030102030007 00082f717b3f646e737d00080000".replace(" ", ""),
    '1 . alpn="h2" no-default-alpn ech=AQID dohpath="/q{?dns}" ohttp',
  ],
];

describe("data of records", () => {
  it.each(records)("%s %s", (type, text, hex, told = text) => {
    expect(hexOf(type, text)).toBe(hex);
    expect(formatData(parseType(type)!, Buffer.from(hex, "hex"))).toBe(told);
    expect(hexOf(type, told)).toBe(hex);
  });

  it("SVCB: a key by its number has its bytes for a value, whether it has a name or not (RFC 9460 §2.1)", () => {
    expect(hexOf("SVCB", '1 . key1="\\002h2" key3=\\032\\251')).toBe(hexOf("SVCB", "1 . alpn=h2 port=8443"));
    expect(hexOf("SVCB", "1 . key0=\\000\\001 alpn=h2")).toBe(hexOf("SVCB", "1 . mandatory=alpn alpn=h2"));
  });

  it.each(serviceBindings)("SVCB %s", (text, hex, told = text) => {
    for (const type of [types.SVCB, types.HTTPS]) {
      expect(Buffer.from(parseData(type, lexLine(text), origin)).toString("hex")).toBe(hex);
      expect(formatData(type, Buffer.from(hex, "hex"))).toBe(told);
    }
    expect(hexOf("SVCB", told)).toBe(hex);
  });

  it("SOA takes times with units", () => {
    const data = parseData(types.SOA, lexLine("ns H\\.m 2024010100 1h 2M3s 1w 30"), origin);
    expect(formatData(types.SOA, data)).toBe("ns.example.com. h\\.m.example.com. 2024010100 3600 123 604800 30");
  });

  it("a name with unusual bytes is written whole, where dns2 would split or mangle it", () => {
    expect(hexOf("MX", "1 a\\.b\\255.")).toBe("000104612e62ff00");
    expect(formatData(types.MX, parseData(types.MX, lexLine("1 a\\.b\\255."), origin))).toBe("1 a\\.b\\255.");
  });

  it.each(Object.keys(grammars).filter((type) => type !== "SOA"))("%s has a key in the config", (type) => {
    expect(inlineTypes).toContain(type);
  });

  it("every key of the config is a type that can be written", () => {
    expect(inlineTypes.filter((key) => !Object.hasOwn(grammars, key))).toEqual([]);
  });
});

describe("records that are refused", () => {
  const cases: [type: string, text: string, message: string][] = [
    ["A", "192.0.2.256", 'expected an IPv4 address, got "192.0.2.256"'],
    ["A", "", "expected an IPv4 address, got the end of the record"],
    ["A", "192.0.2.1 x", 'expected the end of the record, got "x"'],
    ["AAAA", "192.0.2.1", 'expected an IPv6 address, got "192.0.2.1"'],
    ["MX", "65536 a", 'expected a whole number 0..65535, got "65536"'],
    ["MX", "ten a", 'expected a whole number 0..65535, got "ten"'],
    ["MX", "10 a..b", 'expected a domain name, got "a..b"'],
    ["TXT", '"a', "this quote is not closed on its line"],
    ["TXT", "\\256", 'expected \\DDD up to \\255, or \\ and a character, got "\\\\256"'],
    ["TXT", "x".repeat(256), `expected a text of at most 255 bytes, got "${"x".repeat(60)}…"`],
    ["CAA", "0 is-sue x", 'expected a tag such as issue, of letters and digits, got "is-sue"'],
    ["DS", "1 13 2 abcd", "a digest of type 2 has 32 bytes"],
    ["TLSA", "3 1 1 abc", 'expected hexadecimal digits, two a byte, got "abc"'],
    ["DNSKEY", "256 3 13 A", 'expected base64, got "A"'],
    ["TYPE731", "abcdef", 'expected \\# LENGTH HEX, as TYPE731 has no other form here, got "abcdef"'],
    ["TYPE731", "\\# 2 abcdef", 'expected 3, as there are so many bytes, got "2"'],
    ["A", "\\# 3 abcdef", "the data ends 1 bytes too soon"],
    ["A", "\\# 5 abcdef0123", "the data has 1 bytes too many"],
    // RFC 9460 Appendix D.3 and what follows from its text
    ["SVCB", "1 foo key123=abc key123=def", 'expected key123 once, got "key123=def"'],
    ["SVCB", "1 foo mandatory", 'expected a list that is not empty, with commas, got "mandatory"'],
    ["SVCB", "1 foo alpn", 'expected protocols of 1..255 bytes, got "alpn"'],
    ["SVCB", "1 foo port", 'expected port=0..65535, got "port"'],
    ["SVCB", "1 foo ipv4hint", 'expected a list that is not empty, with commas, got "ipv4hint"'],
    ["SVCB", "1 foo no-default-alpn=abc", 'expected no value, got "no-default-alpn=abc"'],
    ["SVCB", "1 foo mandatory=key123", "key123 is mandatory, but not there"],
    ["SVCB", "1 foo key1=h2", "the data ends 103 bytes too soon"],
    ["SVCB", "1 foo key3=443", "a port has two bytes"],
    ["SVCB", "1 foo alpn=h2 key1=\\002h2", 'expected alpn once, got "key1=\\\\002h2"'],
    ["SVCB", "1 foo key0=\\000\\000", "the keys of mandatory are not in ascending order, or mandatory is one of them"],
    ["SVCB", "1 foo mandatory=mandatory", 'expected other keys than mandatory, once each, got "mandatory=mandatory"'],
    [
      "SVCB",
      "1 foo mandatory=port,port port=1",
      'expected other keys than mandatory, once each, got "mandatory=port,port"',
    ],
    ["SVCB", "1 foo no-default-alpn", "no-default-alpn needs alpn beside it"],
    ["SVCB", "0 foo port=1", "priority 0 is an alias: no parameter may follow"],
    [
      "SVCB",
      "1 foo key65535=a",
      'expected a key: mandatory, alpn, no-default-alpn, port, ipv4hint, ech, ipv6hint, dohpath, ohttp or key0..key65534, got "key65535=a"',
    ],
  ];
  it.each(cases)("%s %s", (type, text, message) => {
    expect(complaint(type, text)).toBe(message);
  });

  it("nothing but a RecordError is ever thrown, and what is read comes back the same from its text", () => {
    const type = fc.constantFrom(...Object.keys(grammars));
    const word = fc.oneof(
      fc.constantFrom(
        "10",
        "a.b.",
        '"x y"',
        "192.0.2.1",
        "2001:db8::1",
        "AQID",
        "0aff",
        "alpn=h2",
        "port=1",
        "1h",
        "\\#",
        ".",
      ),
      fc.string({ unit: "binary-ascii", maxLength: 12 }),
    );
    fc.assert(
      fc.property(type, fc.array(word, { maxLength: 8 }), (key, words) => {
        const code = parseType(key)!;
        const data = tryParse(code, words.join(" "));
        if (data) expect(tryParse(code, formatData(code, data))).toEqual(data);
      }),
      { numRuns: 2_000 },
    );
  });

  it("any data of any type is either refused or comes back the same", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(grammars)), fc.uint8Array({ maxLength: 80 }), (key, bytes) => {
        const code = parseType(key)!;
        const data = tryParse(code, `\\# ${bytes.length} ${Buffer.from(bytes).toString("hex")}`);
        if (!data) return;
        const again = tryParse(code, formatData(code, data));
        expect(Buffer.from(again!).toString("latin1").toLowerCase()).toBe(
          Buffer.from(data).toString("latin1").toLowerCase(),
        ); // names are lowered
      }),
      { numRuns: 3_000 },
    );
  });
});

function tryParse(type: number, text: string): Uint8Array | undefined {
  try {
    return parseData(type, lexLine(text), origin);
  } catch (error) {
    if (error instanceof RecordError) return undefined;
    throw error;
  }
}

describe("hosts that records lead to", () => {
  const owner = parseName("www", origin)!;
  it.each([
    { type: types.MX, text: "10 foo", target: "foo" },
    { type: types.MX, text: "0 .", target: undefined },
    { type: types.SRV, text: "0 0 1 foo", target: "foo" },
    { type: types.SVCB, text: "1 .", target: "www" },
    { type: types.HTTPS, text: "0 foo", target: "foo" },
    { type: types.HTTPS, text: "0 .", target: undefined },
    { type: types.PTR, text: "foo", target: undefined },
  ])("$type $text: $target", ({ type, text, target }) => {
    const expected = target === undefined ? [] : [parseName(target, origin)];
    expect(targetsOf(type, owner, [parseData(type, lexLine(text), origin)])).toEqual(expected);
  });
});
