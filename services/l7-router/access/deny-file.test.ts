import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { AccessList } from "./access-list.ts";
import { parseDenyFile, readDenyFile } from "./deny-file.ts";

const expected = "expected a network such as 192.0.2.0/24 or 2001:db8::/32, or an address";

describe("a deny file", () => {
  it("holds a network or an address a line, with comments and empty lines", () => {
    const text = "# botnets\n\n192.0.2.0/24 # since May\r\n\t198.51.100.7\n2001:db8::/32\n";
    const { tree, count } = parseDenyFile(text, "deny.txt");
    expect(count).toBe(3);
    const lineOf = (address: string) => tree.find(parseAddress(address)!).value;
    expect(["192.0.2.9", "198.51.100.7", "2001:db8::1"].map(lineOf)).toEqual([3, 4, 5]);
    expect(["192.0.3.9", "198.51.100.8", "2001:db9::1"].map(lineOf)).toEqual([undefined, undefined, undefined]);
  });

  it.each([
    { text: "", count: 0 },
    { text: "# nobody", count: 0 },
    { text: "0.0.0.0/0", count: 1 },
  ])("of $text holds $count", ({ text, count }) => {
    expect(parseDenyFile(text, "deny.txt").count).toBe(count);
  });

  it.each([
    { name: "no network", text: "\n  bad", says: `deny.txt:2:3: ${expected}, got "bad"` },
    { name: "a prefix too long", text: "192.0.2.0/33", says: `deny.txt:1:1: ${expected}, got "192.0.2.0/33"` },
    {
      name: "bits behind the prefix",
      text: "192.0.2.1/24",
      says: `deny.txt:1:1: ${expected}, got "192.0.2.1/24" (bits are set behind the prefix; did you mean 192.0.2.0/24?)`,
    },
    { name: "two a line", text: "192.0.2.1 192.0.2.2", says: `deny.txt:1:1: ${expected}, got "192.0.2.1 192.0.2.2"` },
    {
      name: "two errors",
      text: "a\nb",
      says: `deny.txt:1:1: ${expected}, got "a"\ndeny.txt:2:1: ${expected}, got "b"`,
    },
  ])("with $name is refused, with its place", ({ text, says }) => {
    expect(() => parseDenyFile(text, "deny.txt")).toThrow(says);
  });

  it("that is not there is refused by name", () => {
    expect(() => readDenyFile("/no/such/deny.txt")).toThrow("/no/such/deny.txt: there is no such file");
  });

  it("may have tens of thousands of networks", () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/28`);
    const { tree, count } = parseDenyFile(lines.join("\n"), "deny.txt");
    expect(count).toBe(50_000);
    expect(tree.find(parseAddress("10.195.79.15")!).value).toBe(50_000);
    expect(tree.find(parseAddress("10.195.79.16")!).value).toBeUndefined();
  });
});

describe("an access list", () => {
  const file = { file: "/etc/deny.txt", networks: parseDenyFile("\n10.9.0.0/16", "/etc/deny.txt") };

  it.each([
    { list: {}, client: "10.1.1.1", why: undefined },
    { list: { deny: ["10.1.0.0/16"] }, client: "10.1.1.1", why: "deny has 10.1.0.0/16" },
    { list: { deny: ["10.1.0.0/16"] }, client: "10.2.1.1", why: undefined },
    { list: { allow: ["10.0.0.0/8"] }, client: "10.1.1.1", why: undefined },
    { list: { allow: ["10.0.0.0/8"] }, client: "11.1.1.1", why: "no network of allow has it" },
    { list: { allow: ["10.0.0.0/8"] }, client: "2001:db8::1", why: "no network of allow has it" },
    { list: { allow: ["10.0.0.0/8"] }, client: "", why: "no network of allow has it" },
    { list: { allow: ["10.0.0.0/8"], deny: ["10.1.0.0/16"] }, client: "10.1.1.1", why: "deny has 10.1.0.0/16" },
    { list: { allow: ["10.1.1.0/24"], deny: ["10.1.0.0/16"] }, client: "10.1.1.1", why: "deny has 10.1.0.0/16" },
    { list: { deny: ["::ffff:10.1.0.0/16"] }, client: "10.1.1.1", why: "deny has ::ffff:10.1.0.0/16" },
    { list: { allow: ["10.0.0.0/8"] }, file, client: "10.9.1.1", why: "line 2 of deny.txt has it" },
    { list: {}, file, client: "10.8.1.1", why: undefined },
  ])("$list says of $client: $why", ({ list, file, client, why }) => {
    expect(new AccessList(list, file).whyDenied(client)).toBe(why);
  });
});
