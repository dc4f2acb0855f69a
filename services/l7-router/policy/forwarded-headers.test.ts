import { describe, expect, it } from "vitest";
import { survey, valueOf } from "#l7-router/headers.ts";
import { forwardedHeaders, isLoop, viaNameOf } from "./forwarded-headers.ts";
import type { ForwardedInput } from "./forwarded-headers.ts";

const trusted = new Set(["10.0.0.1", "10.0.0.2"]);

function forwarded(headers: readonly string[], input: Partial<ForwardedInput> = {}) {
  return forwardedHeaders({
    seen: survey(headers),
    peer: "10.0.0.1",
    isTrusted: (address) => trusted.has(address),
    scheme: "http",
    authority: "www.stream.test",
    version: "1.1",
    viaName: "r1",
    randomHex: (bytes) => "ab".repeat(bytes),
    ...input,
  });
}

describe("the client behind trusted proxies", () => {
  for (const { name, xff, peer, client, chain } of [
    { name: "no header: the peer", xff: [], peer: "10.0.0.1", client: "10.0.0.1", chain: "10.0.0.1" },
    {
      name: "an untrusted peer: nothing is believed",
      xff: ["1.1.1.1"],
      peer: "9.9.9.9",
      client: "9.9.9.9",
      chain: "9.9.9.9",
    },
    { name: "one proxy", xff: ["1.1.1.1"], peer: "10.0.0.1", client: "1.1.1.1", chain: "1.1.1.1, 10.0.0.1" },
    {
      name: "what stands left of the first untrusted one is only its word",
      xff: ["8.8.8.8, 1.1.1.1, 10.0.0.2"],
      peer: "10.0.0.1",
      client: "1.1.1.1",
      chain: "1.1.1.1, 10.0.0.2, 10.0.0.1",
    },
    {
      name: "several lines are one list",
      xff: ["1.1.1.1", "10.0.0.2"],
      peer: "10.0.0.1",
      client: "1.1.1.1",
      chain: "1.1.1.1, 10.0.0.2, 10.0.0.1",
    },
    {
      name: "with ports and brackets",
      xff: ["[2001:db8::1]:443"],
      peer: "10.0.0.1",
      client: "2001:db8::1",
      chain: "2001:db8::1, 10.0.0.1",
    },
    {
      name: "what is no address ends the walk",
      xff: ["1.1.1.1, unknown, 10.0.0.2"],
      peer: "10.0.0.1",
      client: "10.0.0.2",
      chain: "10.0.0.2, 10.0.0.1",
    },
    {
      name: "only trusted ones: the outermost",
      xff: ["10.0.0.2"],
      peer: "10.0.0.1",
      client: "10.0.0.2",
      chain: "10.0.0.2, 10.0.0.1",
    },
  ]) {
    it(name, () => {
      const result = forwarded(
        xff.flatMap((value) => ["X-Forwarded-For", value]),
        { peer },
      );
      expect(result.client).toBe(client);
      expect(valueOf(result.headers, "x-forwarded-for")).toBe(chain);
    });
  }

  it("proto and host of a trusted peer are kept if valid", () => {
    const { headers } = forwarded(["X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.test"]);
    expect(valueOf(headers, "x-forwarded-proto")).toBe("https");
    expect(valueOf(headers, "x-forwarded-host")).toBe("shop.test");
    const { headers: invalid } = forwarded(["X-Forwarded-Proto", "gopher", "X-Forwarded-Host", "a b"]);
    expect(valueOf(invalid, "x-forwarded-proto")).toBe("http");
    expect(valueOf(invalid, "x-forwarded-host")).toBe("www.stream.test");
  });

  it("Forwarded says the same, with IPv6 quoted", () => {
    const { headers } = forwarded(["X-Forwarded-For", "2001:db8::1"]);
    const value = 'for="[2001:db8::1]", for=10.0.0.1;host="www.stream.test";proto=http';
    expect(valueOf(headers, "forwarded")).toBe(value);
  });

  it("Via grows by this router", () => {
    expect(valueOf(forwarded(["Via", "1.0 a", "via", "1.1 b"]).headers, "via")).toBe("1.0 a, 1.1 b, 1.1 r1");
  });
});

describe("the request id", () => {
  for (const { name, headers, peer, id } of [
    { name: "of a trusted peer is kept", headers: ["X-Request-Id", "abc-1.2_3"], peer: "10.0.0.1", id: "abc-1.2_3" },
    { name: "of an untrusted peer is not", headers: ["X-Request-Id", "abc"], peer: "9.9.9.9", id: "ab".repeat(16) },
    { name: "that is malformed is not", headers: ["X-Request-Id", "a b"], peer: "10.0.0.1", id: "ab".repeat(16) },
    {
      name: "that is given twice is not",
      headers: ["X-Request-Id", "a", "X-Request-Id", "b"],
      peer: "10.0.0.1",
      id: "ab".repeat(16),
    },
  ])
    it(name, () => expect(forwarded(headers, { peer }).requestId).toBe(id));
});

describe("traceparent", () => {
  const valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (const { name, values, kept } of [
    { name: "valid", values: [valid], kept: true },
    { name: "of a later version with more fields", values: [`${valid.replace("00-", "01-")}-x`], kept: true },
    { name: "with more fields than its version has", values: [`${valid}-x`], kept: false },
    { name: "of version ff", values: [valid.replace("00-", "ff-")], kept: false },
    { name: "in capitals", values: [valid.toUpperCase()], kept: false },
    { name: "of a zero trace", values: [`00-${"0".repeat(32)}-b7ad6b7169203331-01`], kept: false },
    { name: "given twice", values: [valid, valid], kept: false },
    { name: "missing", values: [], kept: false },
  ])
    it(`${name} is ${kept ? "kept" : "made anew"}`, () => {
      const { headers } = forwarded(values.flatMap((value) => ["traceparent", value]));
      expect(valueOf(headers, "traceparent")).toBe(kept ? values[0] : `00-${"ab".repeat(16)}-${"ab".repeat(8)}-01`);
    });
});

describe("a loop", () => {
  it("is our own name in Via, in any case", () => {
    expect(isLoop(survey(["Via", "1.1 a, 1.1 R1 (x)"]), "r1")).toBe(true);
    expect(isLoop(survey(["Via", "1.1 a, 1.1 r11"]), "r1")).toBe(false);
  });

  it("needs a name that is a token", () => expect(viaNameOf("eu-west/l7-1")).toBe("eu-west-l7-1"));
});
