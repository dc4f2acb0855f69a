import { describe, expect, it } from "vitest";
import { queryBytes } from "#test/support/dns.ts";
import { answerBytes } from "#test/support/geodns-answers.ts";
import { snapshotOf } from "#test/support/geodns-snapshot.ts";
import { freshnessSeconds } from "./ttl.ts";

describe("how long a reply may be kept", () => {
  it.each([
    { name: "records", query: { name: "ns1.stream.test" }, seconds: 300 },
    { name: "an alias and what it leads to: the smaller", query: { name: "api.stream.test" }, seconds: 10 },
    { name: "no such name: the negative TTL", query: { name: "no.stream.test" }, seconds: 30 },
    { name: "no such type: the negative TTL", query: { name: "ns1.stream.test", type: 16 }, seconds: 30 },
    { name: "an alias to no such type: the smaller", query: { name: "api.stream.test", type: 16 }, seconds: 30 },
    { name: "refused", query: { name: "example.org" }, seconds: undefined },
    { name: "malformed", query: { questions: 2 }, seconds: undefined },
  ])("$name", ({ query, seconds }) => {
    const reply = answerBytes(queryBytes({ ...query, edns: {} }), "127.1.0.7", "tcp", snapshotOf())!;
    expect(freshnessSeconds(reply)).toBe(seconds);
  });

  it("is unknown for bytes that are cut", () => {
    const reply = answerBytes(queryBytes(), "127.1.0.7", "tcp", snapshotOf())!;
    for (let length = 0; length < reply.length; length++) freshnessSeconds(reply.subarray(0, length)); // does not throw
    expect(freshnessSeconds(reply.subarray(0, 14))).toBeUndefined();
  });
});
