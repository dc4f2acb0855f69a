import { describe, expect, it } from "vitest";
import { formats } from "./format.ts";
import type { AccessEntry } from "./format.ts";

const entry: AccessEntry = {
  atMs: Date.UTC(2026, 10, 26, 6, 52, 18),
  requestId: "r1",
  client: "192.0.2.7",
  method: "GET",
  target: "/a?b=1",
  version: "1.1",
  host: "www.stream.test",
  status: 200,
  reason: "OK",
  route: "shop",
  pool: "web",
  endpoint: "web-1",
  attempts: 2,
  hedge: undefined,
  bytesIn: 0,
  bytesOut: 512,
  tookMs: 12.34567,
  firstByteMs: 3.2,
  referer: undefined,
  userAgent: undefined,
};
const names = { service: "l7-router", node: "r" };
const hostile = '/"\\\n\r\x1b[2J\x7f\x9b\xe9';

describe("a line of the access log", () => {
  it("in JSON has every field", () => {
    expect(JSON.parse(formats.json(names)(entry))).toEqual({
      level: "info",
      time: "2026-11-26T06:52:18.000Z",
      ...names,
      msg: "request",
      requestId: "r1",
      client: "192.0.2.7",
      method: "GET",
      target: "/a?b=1",
      version: "1.1",
      host: "www.stream.test",
      status: 200,
      reason: "OK",
      route: "shop",
      pool: "web",
      endpoint: "web-1",
      attempts: 2,
      bytesIn: 0,
      bytesOut: 512,
      tookMs: 12.346,
      firstByteMs: 3.2,
    });
  });

  it("in the Common Log Format", () => {
    expect(formats.common(names)(entry)).toBe(
      '192.0.2.7 - - [26/Nov/2026:06:52:18 +0000] "GET /a?b=1 HTTP/1.1" 200 512',
    );
    const empty = { ...entry, client: "", method: "", bytesOut: 0 };
    expect(formats.common(names)(empty)).toBe('- - - [26/Nov/2026:06:52:18 +0000] "- /a?b=1 HTTP/1.1" 200 -');
  });

  it("combined has Referer and User-Agent", () => {
    const line = formats.combined(names)({ ...entry, referer: 'http://a/"', userAgent: "curl/8" });
    expect(line.slice(-30)).toBe('200 512 "http://a/\\"" "curl/8"');
  });

  it("has no control character, whatever a client sends, and JSON reads back as it came", () => {
    const asked = { ...entry, target: hostile, userAgent: hostile, referer: hostile, host: hostile, method: hostile };
    for (const create of Object.values(formats)) expect(create(names)(asked)).toMatch(/^[\x20-\x7e\xa0-\xff]*$/);
    expect(JSON.parse(formats.json(names)(asked))).toMatchObject({ target: hostile, userAgent: hostile });
    expect(formats.combined(names)(asked)).toContain('"/\\"\\\\\\x0a\\x0d\\x1b[2J\\x7f\\x9b\\xe9"');
  });

  it("is cut where a client sends very much", () => {
    for (const create of Object.values(formats))
      expect(create(names)({ ...entry, target: `/${"x".repeat(10_000)}` }).length).toBeLessThan(2_600);
  });
});
