import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { queryBytes } from "#test/support/dns.ts";
import { parseName } from "../wire/name.ts";
import { Query } from "../wire/query.ts";
import { NameTable } from "./name-table.ts";

function find(table: NameTable<string>, text: string): (string | undefined)[] {
  const query = new Query();
  query.read(queryBytes({ name: text }));
  return Array.from({ length: query.labels + 1 }, (_, label) => table.find(query, label));
}

const tableOf = (names: readonly string[]) => new NameTable(new Map(names.map((name) => [parseName(name, "")!, name])));

describe("the table of names", () => {
  const table = tableOf(["stream.test", "www.stream.test", "."]);
  it.each([
    { name: "www.stream.test", finds: ["www.stream.test", "stream.test", undefined, "."] },
    { name: "WWW.Stream.TEST", finds: ["www.stream.test", "stream.test", undefined, "."] },
    { name: "no.www.stream.test", finds: [undefined, "www.stream.test", "stream.test", undefined, "."] },
    { name: "", finds: ["."] },
    { name: "wwwstream.test", finds: [undefined, undefined, "."] },
  ])("$name and the names above it", ({ name, finds }) => {
    expect(find(table, name)).toEqual(finds);
  });

  it("an empty table finds nothing", () => {
    expect(find(tableOf([]), "www.stream.test")).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("finds each of many names, and no other", () => {
    const label = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 3 });
    const names = fc.array(fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join(".")));
    fc.assert(
      fc.property(names, names, (known, others) => {
        const table = tableOf(known);
        for (const name of [...known, ...others])
          expect(find(table, name)[0]).toBe(known.includes(name) ? name : undefined);
      }),
    );
  });
});
