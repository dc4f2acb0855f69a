import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Rig, head } from "./rig.ts";

interface Refused {
  readonly name: string;
  readonly send: string;
  readonly status: number;
}

const host = "Host: www.stream.test\r\n";
const chunked = `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n`;
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: www.stream.test\r\n\r\n";

/** Each is answered with its status, and the connection closed. */
export const refused: readonly Refused[] = [
  { name: "a bare LF in a head", send: `GET / HTTP/1.1\n${host}\r\n`, status: 400 },
  { name: "a bare LF behind a header", send: "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", status: 400 },
  { name: "a bare CR in a header", send: "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", status: 400 },
  { name: "NUL in a header", send: `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`, status: 400 },
  { name: "obs-fold", send: `GET / HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`, status: 400 },
  { name: "space before a colon", send: "GET / HTTP/1.1\r\nHost : a\r\n\r\n", status: 400 },
  { name: "no Host", send: "GET / HTTP/1.1\r\nX: a\r\n\r\n", status: 400 },
  { name: "an empty Host", send: "GET / HTTP/1.1\r\nHost:\r\n\r\n", status: 400 },
  { name: "an invalid Host", send: "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", status: 400 },
  { name: "user information in Host", send: "GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", status: 400 },
  { name: "a second Host", send: "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", status: 400 },
  {
    name: "Content-Length with Transfer-Encoding",
    send: `POST / HTTP/1.1\r\n${host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  {
    name: "Transfer-Encoding with Content-Length",
    send: `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${smuggled}`,
    status: 400,
  },
  { name: "two equal Content-Lengths", send: lengths("1", "1"), status: 400 },
  { name: "two Content-Lengths", send: lengths("1", "2"), status: 400 },
  { name: "a listed Content-Length", send: lengths("1, 1"), status: 400 },
  { name: "a signed Content-Length", send: lengths("+1"), status: 400 },
  { name: "a negative Content-Length", send: lengths("-1"), status: 400 },
  { name: "a hexadecimal Content-Length", send: lengths("0x1"), status: 400 },
  { name: "an empty Content-Length", send: lengths(""), status: 400 },
  { name: "an overflowing Content-Length", send: lengths("99999999999999999999999"), status: 400 },
  { name: "a Content-Length beyond what is exact", send: lengths("9999999999999999"), status: 400 },
  { name: "a transfer coding that is not chunked", send: coding("gzip"), status: 501 },
  { name: "chunked that is not the only coding", send: coding("gzip, chunked"), status: 501 },
  { name: "chunked twice", send: coding("chunked, chunked"), status: 501 },
  { name: "chunked that is not last", send: coding("chunked, identity"), status: 501 },
  { name: "a coding that only ends in chunked", send: coding("xchunked"), status: 501 },
  { name: "Transfer-Encoding in HTTP/1.0", send: coding("chunked").replace("HTTP/1.1", "HTTP/1.0"), status: 400 },
  { name: "a bad chunk size", send: `${chunked}zz\r\n`, status: 400 },
  { name: "a chunk size with 0x", send: `${chunked}0x1\r\na\r\n0\r\n\r\n`, status: 400 },
  { name: "an overflowing chunk size", send: `${chunked}10000000000000001\r\na`, status: 400 },
  { name: "a bad chunk end", send: `${chunked}1\r\naXX0\r\n\r\n`, status: 400 },
  { name: "a bare LF behind a chunk size", send: `${chunked}1\na\n0\n\n`, status: 400 },
  { name: "Content-Length in trailers", send: `${chunked}0\r\nContent-Length: 5\r\n\r\n`, status: 400 },
  { name: "invalid characters in a method", send: `G@T / HTTP/1.1\r\n${host}\r\n`, status: 400 },
  { name: "a method that the parser does not know", send: `FOO / HTTP/1.1\r\n${host}\r\n`, status: 501 },
  { name: "a space in the target", send: `GET /a b HTTP/1.1\r\n${host}\r\n`, status: 400 },
  { name: "two spaces before the target", send: `GET  / HTTP/1.1\r\n${host}\r\n`, status: 400 },
  { name: "a control in the target", send: `GET /\x01 HTTP/1.1\r\n${host}\r\n`, status: 400 },
  { name: "an 8-bit byte in the target", send: `GET /\xe9 HTTP/1.1\r\n${host}\r\n`, status: 400 },
  { name: "a fragment in the target", send: head("GET /#x HTTP/1.1"), status: 400 },
  { name: "GET *", send: head("GET * HTTP/1.1"), status: 400 },
  { name: "HTTP/0.9", send: "GET /\r\n\r\n", status: 400 },
  { name: "HTTP/2.0 as a label", send: head("GET / HTTP/2.0"), status: 505 },
  { name: "HTTP/1.2", send: head("GET / HTTP/1.2"), status: 505 },
  { name: "a broken %-escape", send: head("GET /%zz HTTP/1.1"), status: 400 },
  { name: "a cut %-escape", send: head("GET /a%2 HTTP/1.1"), status: 400 },
  { name: "%00", send: head("GET /%00 HTTP/1.1"), status: 400 },
  { name: "%00 in the query", send: head("GET /?a=%00 HTTP/1.1"), status: 400 },
  { name: "%2f", send: head("GET /a%2fb HTTP/1.1"), status: 400 },
  { name: "%5c", send: head("GET /a%5cb HTTP/1.1"), status: 400 },
  { name: "a path that climbs above the root", send: head("GET /a/../../b HTTP/1.1"), status: 400 },
  { name: "an escaped path that climbs above the root", send: head("GET /%2e%2e/b HTTP/1.1"), status: 400 },
  { name: "a dot segment with parameters", send: head("GET /a/..;/b HTTP/1.1"), status: 400 },
  { name: "too long a target", send: head(`GET /${"a".repeat(9_000)} HTTP/1.1`), status: 414 },
  { name: "a target longer than a head", send: head(`GET /${"a".repeat(40_000)} HTTP/1.1`), status: 414 },
  { name: "too large a header", send: head("GET / HTTP/1.1", `X: ${"a".repeat(20_000)}`), status: 431 },
  { name: "too many headers", send: head("GET / HTTP/1.1", ...Array<string>(200).fill("x: y")), status: 431 },
  {
    name: "an underscore in the name of a header",
    send: head("GET / HTTP/1.1", "X_Forwarded_For: 1.2.3.4"),
    status: 400,
  },
  { name: "TRACE", send: head("TRACE / HTTP/1.1"), status: 405 },
  { name: "CONNECT", send: "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", status: 405 },
  { name: "an unknown expectation", send: head("POST / HTTP/1.1", "Expect: 200-ok", "Content-Length: 1"), status: 417 },
  { name: "an upgrade with a body", send: upgrade("GET", "Content-Length: 1"), status: 400 },
  { name: "an upgrade of a POST", send: upgrade("POST"), status: 400 },
  { name: "a TLS hello", send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", status: 400 },
];

/** What no server may ever see. */
export function describeRefusals(engine: EngineName, skips: ReadonlyMap<string, string>): void {
  describe("refuses and closes the connection, unseen by any server", () => {
    for (const { name, send, status } of refused) {
      it.skipIf(skips.has(name))(`${name}: ${status}`, async () => {
        await using rig = await Rig.start({ engine, scripts: [{ onHead: () => true }] });
        const client = await rig.client();
        client.send(send);
        const answer = await client.answer();
        expect(answer.status).toBe(status);
        expect(answer.header("x-watershed-reason")).toMatch(/^[A-Z_]+$/);
        expect(answer.header("connection")).toBe("close");
        expect(await client.ended).toBe("end");
        expect(client.unread).toBe("");
        expect(rig.backend.requests.filter(({ line }) => !line.startsWith("POST / "))).toEqual([]);
      });
    }
  });
}

function lengths(...values: string[]): string {
  return `POST / HTTP/1.1\r\n${host}${values.map((value) => `Content-Length: ${value}\r\n`).join("")}\r\nx`;
}

function coding(value: string): string {
  return `POST / HTTP/1.1\r\n${host}Transfer-Encoding: ${value}\r\n\r\n0\r\n\r\n${smuggled}`;
}

function upgrade(method: string, ...lines: string[]): string {
  return head(`${method} / HTTP/1.1`, "Connection: Upgrade", "Upgrade: websocket", ...lines);
}
