import { describe, expect, it } from "vitest";
import { messageOf } from "#shared/core/error.ts";
import { parseConfig } from "../load.ts";
import { geodnsSchema } from "./geodns.ts";

const head = 'listen: ["127.0.0.1:53"]\nregions: {}\ndnsZones:\n';
const soa = "soa: {primary: ns1, contact: hostmaster}";

/** The lines of the error that these dnsZones make. */
function complain(dnsZones: string): string[] {
  try {
    parseConfig(head + dnsZones, "x.yaml", geodnsSchema);
  } catch (error) {
    return messageOf(error).split("\n");
  }
  return [];
}

const long = Array.from({ length: 4 }, () => "a".repeat(60)).join("."); // 243 characters

describe("the names of dnsZones", () => {
  it("that cannot be served are told all at once, with their places", () => {
    const text = [
      "  stream.test:",
      `    ${soa}`,
      "    records:",
      '      "@": {NS: [ns1]}',
      "      www.other.test.: {A: [127.0.0.1]}",
      "      WWW: {A: [127.0.0.1]}",
      "      www: {A: [127.0.0.2]}",
      "      Stream.Test.: {TXT: [a]}",
      "      xstream.test.: {TXT: [a]}",
      `  Stream.Test: {${soa}, records: {}}`,
    ].join("\n");
    const at = 'dnsZones["stream.test"].records';
    const hint = "is outside the dnsZone; without the closing dot it is below it";
    expect(complain(text)).toEqual([
      `x.yaml:8:24 ${at}["www.other.test."]: www.other.test. ${hint}`,
      `x.yaml:10:12 ${at}.www: www.stream.test. is listed twice`,
      `x.yaml:11:21 ${at}["Stream.Test."]: stream.test. is listed twice`,
      `x.yaml:12:22 ${at}["xstream.test."]: xstream.test. ${hint}`,
      'x.yaml:13:16 dnsZones["Stream.Test"]: stream.test. is listed twice',
    ]);
  });

  it("are told when they are too long in full, wherever they stand", () => {
    const records = `"@": {NS: [${long}]}, ${long}: {A: [127.0.0.1]}, api: {CNAME: ${long}}`;
    const text = `  stream.test: {soa: {primary: ${long}, contact: ${long}}, records: {${records}}}`;
    const at = 'dnsZones["stream.test"]';
    expect(complain(text).map((line) => line.replace(/^\S+ /, ""))).toEqual(
      ["soa.primary", "soa.contact", 'records["@"].NS[0]', `records["${long}"]`, "records.api.CNAME"].map(
        (path) => `${at}.${path}: is longer than a domain name may be: 255 bytes (RFC 1035 §3.1)`,
      ),
    );
  });

  it("are the dnsZone itself however they are written: no CNAME there", () => {
    const text = `  stream.test: {${soa}, records: {STREAM.test.: {CNAME: www}}}`;
    expect(complain(text)).toEqual([expect.stringContaining("cannot stand at the top of a dnsZone")]);
  });

  it.each([
    { name: "in full, in the dnsZone", text: `  stream.test: {${soa}, records: {www.Stream.test.: {A: [127.0.0.1]}}}` },
    { name: "any, in the root", text: `  .: {${soa}, records: {"@": {NS: [a.test.]}, a.test.: {A: [127.0.0.1]}}}` },
    { name: "as long as one may be", text: `  ${"b".repeat(9)}: {${soa}, records: {${long}: {A: [127.0.0.1]}}}` },
    {
      name: "the same in two dnsZones",
      text: `  a.test: {${soa}, records: {www: {A: [127.0.0.1]}}}\n  b.test: {${soa}, records: {www: {A: [127.0.0.1]}}}`,
    },
  ])("may stand: $name", ({ text }) => {
    expect(complain(text)).toEqual([]);
  });
});
