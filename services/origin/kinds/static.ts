import type { ServerResponse } from "node:http";
import { hash32 } from "#shared/core/hash.ts";
import { seededRandom } from "#shared/core/random.ts";
import { untilWritable } from "../until-writable.ts";
import { factsOf, sendJson } from "./exchange.ts";
import type { Exchange, Pages } from "./exchange.ts";

const fileBytesMax = 104_857_600; // 100 MiB: enough to watch a long download through every tier
const blockBytes = 65_536;
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const contentTypes: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  gif: "image/gif",
  html: "text/html; charset=utf-8",
  ico: "image/x-icon",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  m4s: "video/iso.segment",
  mp4: "video/mp4",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  webp: "image/webp",
  woff2: "font/woff2",
};

/** Files made up from their path: the same bytes from every server, printable, nothing on disk. */
export class StaticPages implements Pages {
  async answer(exchange: Exchange): Promise<void> {
    const { path, method, request, response } = exchange;
    if (!/^\/(?:static|images)\//.test(path)) return sendJson(response, 200, factsOf(exchange));
    if (method !== "GET" && method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return sendJson(response, 405, { ...exchange.identity, error: `${method} is not for files` });
    }
    const hash = hash32(path);
    const size = fileSize(exchange.query.get("bytes"), hash);
    if (size === undefined) {
      return sendJson(response, 400, { ...exchange.identity, error: `bytes must be 0..${fileBytesMax}` });
    }
    const extension = /\.([a-z0-9]{1,8})$/i.exec(path)?.[1]?.toLowerCase() ?? "";
    const tag = `"${hash.toString(16).padStart(8, "0")}-${size}"`;
    response.setHeader("etag", tag);
    response.setHeader("cache-control", "public, max-age=3600");
    if (isNamed(request.headers["if-none-match"], tag)) {
      response.writeHead(304).end();
      return;
    }
    const type = Object.hasOwn(contentTypes, extension) ? contentTypes[extension] : undefined;
    response.writeHead(200, { "content-type": type ?? "application/octet-stream", "content-length": size });
    if (method === "HEAD") response.end();
    else await sendFile(response, size, hash);
  }
}

/** @returns undefined if it is no size, or over the limit */
function fileSize(wanted: string | null, hash: number): number | undefined {
  if (wanted === null) return 2_048 + (hash % 30_720);
  return /^\d{1,9}$/.test(wanted) && Number(wanted) <= fileBytesMax ? Number(wanted) : undefined;
}

/** Whether `If-None-Match` names this tag. @see RFC 9110 §13.1.2 */
function isNamed(header: string | undefined, tag: string): boolean {
  return header?.split(",").some((entry) => entry.trim().replace(/^W\//, "") === tag || entry.trim() === "*") ?? false;
}

/** Writes only as fast as the client reads. */
async function sendFile(response: ServerResponse, size: number, hash: number): Promise<void> {
  let offset = hash % blockBytes;
  for (let left = size; left > 0 && !response.destroyed; offset = 0) {
    const part = block().subarray(offset, offset + left);
    left -= part.length;
    if (!response.write(part)) await untilWritable(response);
  }
  if (!response.destroyed) response.end();
}

let sharedBlock: Buffer | undefined;

/** What every file is cut from, each beginning at its own place. */
function block(): Buffer {
  if (sharedBlock) return sharedBlock;
  const random = seededRandom(1);
  sharedBlock = Buffer.from(Array.from({ length: blockBytes }, () => alphabet.charCodeAt(Math.floor(random() * 64))));
  return sharedBlock;
}
