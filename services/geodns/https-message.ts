import type { Http2ServerRequest } from "node:http2";
import type { Clock } from "#shared/core/clock.ts";

/** An answer of HTTP's own. */
export interface HttpRefusal {
  readonly status: number;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const messageBytesMax = 65_535; // RFC 8484 §6
// Of all bodies that are being read: some hundred of the largest, or a hundred thousand usual queries.
const bodiesBytesMax = 8 * 1_048_576;
const bodyMsMax = 5_000; // a query fits the first packet
const base64url = /^[A-Za-z0-9_-]+$/; // without padding, RFC 8484 §4.1.1
const mediaType = "application/dns-message";

export const refusals = {
  notFound: { status: 404, text: "not found" },
  notAQuery: { status: 400, text: "this is no DNS query" },
  noMessage: { status: 400, text: "expected one parameter dns: a DNS message in base64url without padding" },
  cutBody: { status: 400, text: "the body is shorter than its content-length" },
  slowBody: { status: 408, text: "the body took too long" },
  method: { status: 405, text: "GET or POST", headers: { allow: "GET, POST" } },
  tooLarge: { status: 413, text: "a DNS message has 65535 bytes at most" },
  type: { status: 415, text: `expected content-type ${mediaType}`, headers: { accept: mediaType } },
  busy: { status: 503, text: "too many requests at once", headers: { "retry-after": "1" } },
} as const satisfies Record<string, HttpRefusal>;

/** The message in the query of a URI: `dns=BASE64URL`; other parameters mean nothing.
 * @see RFC 8484 §4.1 */
export function messageOfGet(query: string): Buffer | HttpRefusal {
  const values = query.split("&").filter((pair) => pair.startsWith("dns="));
  const text = values[0]?.slice("dns=".length) ?? "";
  // One left over says 6 bits of a byte.
  if (values.length !== 1 || !base64url.test(text) || text.length % 4 === 1) return refusals.noMessage;
  const message = Buffer.from(text, "base64url");
  return message.length > messageBytesMax ? refusals.tooLarge : message;
}

let bodiesBytes = 0;

/** The message in the body of a POST, or why there is none; any other method than GET ends here as well. */
export function messageOfPost(request: Http2ServerRequest, clock: Clock): Promise<Buffer | HttpRefusal> {
  const refusal = refusalOfHead(request);
  if (refusal) return Promise.resolve(refusal);
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    const limit = clock.after(bodyMsMax, () => settle(refusals.slowBody));
    const settle = (result: Buffer | HttpRefusal) => {
      limit.cancel();
      bodiesBytes -= bytes;
      bytes = 0;
      request.removeListener("data", take);
      resolve(result);
    };
    const take = (chunk: Buffer) => {
      bytes += chunk.length;
      bodiesBytes += chunk.length;
      if (bytes > messageBytesMax) return settle(refusals.tooLarge);
      if (bodiesBytes > bodiesBytesMax) return settle(refusals.busy);
      chunks.push(chunk);
    };
    request.on("data", take);
    request.on("end", () => settle(Buffer.concat(chunks)));
    request.on("close", () => settle(refusals.cutBody));
  });
}

function refusalOfHead({ method, headers }: Http2ServerRequest): HttpRefusal | undefined {
  if (method !== "POST") return refusals.method;
  const type = (headers["content-type"] ?? "").split(";")[0] ?? "";
  if (type.trim().toLowerCase() !== mediaType) return refusals.type;
  return Number(headers["content-length"] ?? 0) > messageBytesMax ? refusals.tooLarge : undefined;
}
