import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { helloOf, inRecords } from "#test/support/client-hello.ts";
import { poolOfName } from "./accept-hello.ts";
import { readClientHello } from "./client-hello.ts";

describe("the name in a ClientHello", () => {
  let hello: Buffer;
  beforeAll(async () => {
    hello = await helloOf({ servername: "API.stream.test" });
  });

  it("is read, in small letters", () => {
    expect(readClientHello(hello)).toEqual({ state: "done", name: "api.stream.test" });
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)("is read of %s", async (version) => {
    const bytes = await helloOf({ servername: "a.b", minVersion: version, maxVersion: version });
    expect(readClientHello(bytes)).toEqual({ state: "done", name: "a.b" });
  });

  it("is none where the client names none", async () => {
    expect(readClientHello(await helloOf({}))).toEqual({ state: "done", name: undefined });
  });

  it("wants more of every part of it, and no more than all of it", () => {
    for (let length = 0; length < hello.length; length++)
      expect(readClientHello(hello.subarray(0, length))).toEqual({ state: "more" });
    expect(readClientHello(Buffer.concat([hello, Buffer.from("more")]))).toMatchObject({ state: "done" });
  });

  it.each([1, 7, 100])("is read over records of %i bytes", (bytes) => {
    expect(readClientHello(inRecords(hello, bytes))).toEqual({ state: "done", name: "api.stream.test" });
  });

  const named = (name: string) => Buffer.from(hello.toString("latin1").replace("API.stream.test", name), "latin1");
  const cases = [
    { name: "HTTP", bytes: () => Buffer.from("GET / HTTP/1.1\r\n") },
    { name: "another record", bytes: () => Buffer.from([23, 3, 1, 0, 1, 0]) },
    { name: "SSL 2", bytes: () => Buffer.from([22, 2, 0, 0, 1, 1]) },
    { name: "an empty record", bytes: () => Buffer.from([22, 3, 1, 0, 0]) },
    { name: "a record that is too long", bytes: () => Buffer.from([22, 3, 1, 0xff, 0xff]) },
    { name: "another message", bytes: () => Buffer.from([22, 3, 1, 0, 1, 2]) },
    { name: "a message that is too long", bytes: () => Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]) },
    { name: "a name with a zero", bytes: () => named("api.str\0am.test") },
    { name: "a name with an address's brackets", bytes: () => named("[::1].strm.test") },
    {
      name: "extensions that are cut short",
      bytes: () => Buffer.concat([Buffer.from([22, 3, 1, 0, 44, 1, 0, 0, 40]), Buffer.alloc(38), Buffer.from([0, 5])]),
    },
  ];
  it.each(cases)("is refused in $name", ({ bytes }) => {
    expect(readClientHello(bytes())).toMatchObject({ state: "invalid" });
  });

  it("never throws, whatever comes", () => {
    const changed = fc.tuple(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 8 })).map(([at, bytes]) => {
      const copy = Buffer.from(hello);
      copy.set(bytes.subarray(0, copy.length - (at % copy.length)), at % copy.length);
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        expect(["more", "invalid", "done"]).toContain(readClientHello(Buffer.from(bytes)).state);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe("a server name leads to", () => {
  const routes = { "api.stream.test": "api", "*.stream.test": "web", "*.img.stream.test": "static" };
  const cases = [
    { name: "api.stream.test", pool: "api" },
    { name: "www.stream.test", pool: "web" },
    { name: "a.b.stream.test", pool: "web" },
    { name: "a.img.stream.test", pool: "static" },
    { name: "stream.test", pool: undefined },
    { name: "constructor", pool: undefined },
    { name: undefined, pool: undefined },
  ];
  it.each(cases)("$name → $pool", ({ name, pool }) => {
    expect(poolOfName(name, routes)).toBe(pool);
  });
});
