import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { readHead } from "#l7-router/head.ts";
import { readWithLlhttp } from "#test/support/llhttp.ts";
import { BodyReader } from "./body-reader.ts";
import { HeadParser } from "./head-parser.ts";

const bounds = { bytesMax: 16_384, targetBytesMax: 8_192, linesMax: 128 };

interface Read {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly bytesRead: number;
}

/** Reads one request as the engine does.
 * @param pieces lengths of the reads; the last takes the rest
 * @returns the status of the refusal; undefined while it is not whole */
function readRequest(bytes: Buffer, pieces: readonly number[] = []): Read | number | undefined {
  const parser = new HeadParser("request", bounds);
  const ends = pieces.map(
    (
      (sum) => (length) =>
        (sum += length)
    )(0),
  );
  let after = 0;
  for (const end of [...ends.filter((end) => end < bytes.length), bytes.length]) {
    if (after === 0) after = parser.scan(bytes, 0, end);
    if (after < 0) return parser.fault?.status ?? 0;
  }
  if (after === 0) return undefined;
  const text = bytes.toString("latin1", 0, after);
  const raw = { ...parser.startOf(text), headers: parser.linesOf(text) };
  const read = readHead(raw, { targetBytes: bounds.targetBytesMax });
  if (!read.ok) return read.refusal.status;
  const reader = new BodyReader();
  reader.begin(read.head.framing);
  const into: Buffer[] = [];
  let at = after;
  for (const end of [...ends.filter((end) => end > after && end < bytes.length), bytes.length]) {
    at = reader.read(bytes, at, end, into);
    if (at < 0) return 400;
  }
  if (!reader.isWhole) return undefined;
  const { method, target, version, headers } = raw;
  return { method, target, version, headers, body: Buffer.concat(into).toString("latin1"), bytesRead: at };
}

const messages = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET /a/b?c=d HTTP/1.0\r\nHost:  a \t\r\nX-Empty:\r\nX-Latin: \xe9\r\n\r\n",
  "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
  'PUT /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1;a="b;c"\r\nx\r\n0\r\n\r\n',
  "GET /ws HTTP/1.1\r\nHost: a:80\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nCookie: a=b; c=d\r\n\r\n",
  "OPTIONS * HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
].map((text) => Buffer.from(text, "latin1"));

const refused: readonly (readonly [string, number])[] = [
  ["GET / HTTP/1.1\nHost: a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\n: a\r\n\r\n", 400],
  ["GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400],
  ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505],
  ["get / HTTP/1.1\r\nHost: a\r\n\r\n", 501],
  ["\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n", 400],
  ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;=\r\nx\r\n0\r\n\r\n", 400],
  ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTransfer-Encoding: x\r\n\r\n", 400],
];

describe("reading a request", () => {
  it.each(messages.map((bytes) => [JSON.stringify(bytes.toString("latin1")), bytes] as const))(
    "%s reads the same however it is cut, and as node's own parser reads it",
    (_, bytes) => {
      const whole = readRequest(bytes);
      expect(whole).toMatchObject({ bytesRead: bytes.length });
      for (let cut = 1; cut < bytes.length; cut++) {
        expect(readRequest(bytes.subarray(0, cut))).toBeUndefined();
        expect(readRequest(bytes, [cut])).toEqual(whole);
      }
      expect(readRequest(bytes, Array<number>(bytes.length).fill(1))).toEqual(whole);
      expectAgreement(bytes, whole as Read);
    },
  );

  it.each(refused)("%j is refused with %i, however it is cut", (text, status) => {
    const bytes = Buffer.from(text, "latin1");
    expect(readRequest(bytes)).toBe(status);
    for (let cut = 1; cut < bytes.length; cut++) expect(readRequest(bytes, [cut])).toBe(status);
  });

  it("never reads what node's own parser refuses, nor frames it otherwise (20,000 mutations)", () => {
    const random = seededRandom(20_261_125);
    const below = (count: number) => Math.floor(random() * count);
    let accepted = 0;
    for (let i = 0; i < 20_000; i++) {
      let bytes: Buffer = messages[below(messages.length)]!;
      for (let times = 1 + below(3); times > 0; times--) bytes = mutate(bytes, below);
      const read = readRequest(bytes);
      if (typeof read !== "object") continue;
      accepted++;
      expectAgreement(bytes, read);
      expect(readRequest(bytes, [1 + below(bytes.length)])).toEqual(read);
    }
    expect(accepted).toBeGreaterThan(2_000);
  });
});

/** Node's own parser reads one whole request from the bytes that were read, and the same one. */
function expectAgreement(bytes: Buffer, read: Read): void {
  const { method, target, version, headers, body, bytesRead } = read;
  const text = JSON.stringify(bytes.toString("latin1", 0, bytesRead));
  expect(readWithLlhttp(bytes.subarray(0, bytesRead)), text).toEqual([{ method, target, version, headers, body }]);
}

const telling = [
  "\r",
  "\n",
  "\r\n",
  " ",
  "\t",
  ":",
  ";",
  ",",
  "\0",
  "0",
  "1",
  "a",
  "A",
  "%",
  "\x7f",
  "\xe9",
  '"',
  "chunked",
];
const lines = [
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: identity\r\n",
  "Connection: close\r\n",
  "Host: b\r\n",
  "X: y\r\n",
  "\r\n",
];

/** Inserts, removes or replaces a byte, or adds a line. */
function mutate(bytes: Buffer, below: (count: number) => number): Buffer {
  const at = below(bytes.length + 1);
  const before = bytes.subarray(0, at);
  const piece = Buffer.from(telling[below(telling.length)]!, "latin1");
  switch (below(4)) {
    case 0:
      return Buffer.concat([before, piece, bytes.subarray(at)]);
    case 1:
      return Buffer.concat([before, bytes.subarray(at + 1)]);
    case 2:
      return Buffer.concat([before, piece, bytes.subarray(at + 1)]);
    default: {
      const lineEnd = bytes.indexOf("\r\n", at);
      const place = lineEnd < 0 ? bytes.length : lineEnd + 2;
      const line = Buffer.from(lines[below(lines.length)]!);
      return Buffer.concat([bytes.subarray(0, place), line, bytes.subarray(place)]);
    }
  }
}
