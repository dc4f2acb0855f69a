import { posix } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UsageError } from "#shared/core/error.ts";
import { typeName } from "../wire/codes.ts";
import { formatName, parseName } from "../wire/name.ts";
import { formatData } from "./rdata/grammar.ts";
import { formatPlace } from "./record.ts";
import { readZoneFile } from "./zone-file.ts";
import type { FileSource } from "./zone-file.ts";

const apex = parseName("example.com", "")!;

/** Files in memory. */
const sourceOf = (files: Readonly<Record<string, string>>): FileSource => ({
  read(path) {
    const text = files[path];
    if (text === undefined) throw new UsageError("there is no such file");
    return text;
  },
  locate: (path, from) => (from === undefined ? path : posix.join(posix.dirname(from), path)),
});

function readText(text: string, others: Readonly<Record<string, string>> = {}) {
  const { records, problems, files } = readZoneFile("z", apex, 300, sourceOf({ ...others, z: text }));
  return {
    records: records.map(
      ({ owner, type, ttl, data }) => `${formatName(owner)} ${ttl} ${typeName(type)} ${formatData(type, data)}`,
    ),
    problems: problems.map(({ place, message }) => `${formatPlace(place)}: ${message}`),
    files,
  };
}

describe("a zone file", () => {
  const cases: { name: string; text: string; records: string[]; others?: Record<string, string> }[] = [
    {
      name: "of RFC 1035 §5.3",
      text: [
        "@   IN  SOA     VENERA      Action\\.domains (",
        "                                 20     ; SERIAL",
        "                                 7200   ; REFRESH",
        "                                 600    ; RETRY",
        "                                 3600000; EXPIRE",
        "                                 60)    ; MINIMUM",
        "",
        "        NS      A.ISI.EDU.",
        "        NS      VENERA",
        "        MX      10      VENERA",
        "A       A       26.3.0.103",
        "VENERA  A       10.1.0.52",
        "        A       128.9.0.32",
        "$INCLUDE <SUBSYS>ISI-MAILBOXES.TXT",
      ].join("\n"),
      others: { "<SUBSYS>ISI-MAILBOXES.TXT": "MOE     MB      A" },
      records: [
        "example.com. 300 SOA venera.example.com. action\\.domains.example.com. 20 7200 600 3600000 60",
        "example.com. 300 NS a.isi.edu.",
        "example.com. 300 NS venera.example.com.",
        "example.com. 300 MX 10 venera.example.com.",
        "a.example.com. 300 A 26.3.0.103",
        "venera.example.com. 300 A 10.1.0.52",
        "venera.example.com. 300 A 128.9.0.32",
      ],
    },
    {
      name: "TTL and class in either order, with units, left out: $TTL, else the last",
      text: "a 60 A 192.0.2.1\na A 192.0.2.2\na IN 2m A 192.0.2.3\na 1h30m in A 192.0.2.4\n$TTL 1d\na A 192.0.2.5\na CLASS1 7 TYPE1 192.0.2.6",
      records: [60, 60, 120, 5_400, 86_400, 7].map((ttl, i) => `a.example.com. ${ttl} A 192.0.2.${i + 1}`),
    },
    {
      name: "$ORIGIN in full and relative, @ and names in full",
      text: "$ORIGIN sub\n@ A 192.0.2.1\nx A 192.0.2.2\n$ORIGIN deep\n@ A 192.0.2.3\n$ORIGIN example.com.\n@ A 192.0.2.4\ny.example.com. A 192.0.2.5",
      records: ["sub.", "x.sub.", "deep.sub.", "", "y."].map(
        (owner, i) => `${owner}example.com. 300 A 192.0.2.${i + 1}`,
      ),
    },
    {
      name: "quotes, escapes, comments, tabs, CRLF and a file without a last line end",
      text: 'a\tTXT\t"x;y" ( "z""w" ; comment (\r\n\t"\\"\\065\\\\" ) \r\n\r\n;c\r\n \t; blank\r\nb\\.c TXT a\\;b',
      records: ['a.example.com. 300 TXT "x;y" "z" "w" "\\"A\\\\"', 'b\\.c.example.com. 300 TXT "a;b"'],
    },
    {
      name: "an include with an origin, which ends with it, as the owner does; $TTL stays",
      text: "a A 192.0.2.1\n$INCLUDE sub/one.zone sub\n A 192.0.2.4\nb A 192.0.2.5",
      others: {
        "sub/one.zone": "b A 192.0.2.2\n$ORIGIN x\n$INCLUDE two.zone\n$TTL 9",
        "sub/two.zone": "c A 192.0.2.3",
      },
      records: [
        "a.example.com. 300 A 192.0.2.1",
        "b.sub.example.com. 300 A 192.0.2.2",
        "c.x.sub.example.com. 300 A 192.0.2.3",
        "a.example.com. 9 A 192.0.2.4",
        "b.example.com. 9 A 192.0.2.5",
      ],
    },
    {
      name: "$GENERATE",
      text: "$GENERATE 1-3/2 h$ 60 A 192.0.2.${10,0,d}\n$GENERATE 10-11 ${0,4,n}.ip6 PTR h-${-9,3,x}-$$-\\$.x.\n$GENERATE 0-0 x TXT ${171,4,X}",
      records: [
        "h1.example.com. 60 A 192.0.2.11",
        "h3.example.com. 60 A 192.0.2.13",
        "a.0.ip6.example.com. 60 PTR h-001-\\$-\\$.x.",
        "b.0.ip6.example.com. 60 PTR h-002-\\$-\\$.x.",
        'x.example.com. 60 TXT "00AB"',
      ],
    },
    { name: "that is empty", text: "\n ; nothing\n", records: [] },
  ];
  it.each(cases)("$name", ({ text, records, others = {} }) => {
    const read = readText(text, others);
    // MB is obsolete (RFC 2505 era): its record is told, the rest is read.
    const told = text.includes("ISI-MAILBOXES") ? [expect.stringContaining('expected a record type, got "MB"')] : [];
    expect(read).toMatchObject({ records, problems: told });
  });

  it("tells every file that it was made of", () => {
    const others = { "d/a": "$INCLUDE b", "d/b": "" };
    expect(readText("$INCLUDE d/a\n$INCLUDE d/b", others).files).toEqual(["z", "d/a", "d/b", "d/b"]);
  });
});

describe("mistakes", () => {
  it("are told all at once, with line and column, what was expected and what came", () => {
    const text = [
      " A 192.0.2.1",
      "a A 192.0.2.256",
      "a AAA ::1",
      "a CH A 192.0.2.1",
      "a MX 10",
      'a TXT "open',
      "a A 192.0.2.1 )",
      "$TTL soon",
      "$ORIGN x",
      "$INCLUDE none",
      "$INCLUDE z",
      "$INCLUDE bad",
      "$GENERATE 5-1 a A 192.0.2.1",
      "$GENERATE 1-2 a$ A 192.0.2.${x}",
      "a..b A 192.0.2.1",
      "a 99999999999 A 192.0.2.1",
      "a 5 5 A 192.0.2.1",
      "ok A 192.0.2.1",
      "a TXT ( a",
    ].join("\n");
    const { problems, records } = readText(text, { bad: "x\n A b" });
    expect(problems).toEqual([
      'z:1:2: expected the name that owns the record, at the beginning of the line, got "A"',
      'z:2:5: expected an IPv4 address, got "192.0.2.256"',
      'z:3:3: expected a record type, got "AAA" (did you mean AAAA?)',
      'z:4:3: expected class IN, got "CH"',
      "z:5:1: expected a domain name, got the end of the record",
      "z:6:7: this quote is not closed on its line",
      "z:7:15: this ) closes nothing",
      'z:8:6: expected seconds below 2^31, or a time such as 1h30m, got "soon"',
      'z:9:1: expected $ORIGIN, $TTL, $INCLUDE or $GENERATE, got "$ORIGN"',
      "z:10:10: expected a zone file none, got none: there is no such file",
      "z:11:10: z includes itself",
      "bad:1:1: expected a record type, got the end of the record",
      'bad:2:4: expected an IPv4 address, got "b"',
      'z:13:11: expected a range such as 1-100 or 0-254/2, got "5-1"',
      'z:14:20: expected ${offset,width,base} with base d, o, x, X, n or N, and no number below 0, got "192.0.2.${x}"',
      'z:15:1: expected a domain name, got "a..b"',
      'z:16:3: expected a TTL, a class or a record type, got "99999999999"',
      'z:17:5: expected a record type, got "5" (others are TYPE and a number)',
      "z:19:7: this ( is not closed",
    ]);
    expect(records).toEqual(["ok.example.com. 300 A 192.0.2.1"]);
  });

  it("a chain of includes and a flood of mistakes end", () => {
    const chain = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, `$INCLUDE f${i + 1}`]));
    expect(readText("$INCLUDE f0", chain).problems).toEqual([
      expect.stringMatching(/^f\d+:1:10: files are included more than 16 deep$/),
    ]);
    expect(readText("a b\n".repeat(1_000)).problems).toHaveLength(101);
  });
});

describe("whatever a file holds", () => {
  const word = fc.oneof(
    fc.constantFrom(
      "@",
      "a",
      "IN",
      "A",
      "TXT",
      "300",
      "192.0.2.1",
      "(",
      ")",
      '"',
      ";",
      "\\",
      "$TTL",
      "$ORIGIN",
      "$INCLUDE z",
      "\\# 1 00",
    ),
    fc.constantFrom(
      "$GENERATE 1-3",
      "a$",
      "${1,2,x}",
      "SOA",
      "MX",
      "10",
      "HTTPS",
      "alpn=",
      "mandatory=alpn",
      "\n",
      "\n ",
      "1h",
    ),
    fc.string({ unit: "binary-ascii", maxLength: 5 }),
  );
  it("it is read to its end without any other error than those that are told", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const { problems } = readText(words.join(" "));
        for (const problem of problems) expect(problem).toMatch(/^z:\d+:\d+: ./);
      }),
      { numRuns: 3_000 },
    );
  });

  it("what was read is read the same from its text", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        const { records } = readText(words.join(" "));
        expect(readText(records.join("\n"))).toMatchObject({ records, problems: [] });
      }),
      { numRuns: 2_000 },
    );
  });
});
