/** Header lines as they came: name, value, name, value ... Order, case and repeats are kept. */
export type HeaderList = readonly string[];

/** Every value of a header, in order. `name` in lower case. */
export function valuesOf(headers: HeaderList, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < headers.length; i += 2) if (isNamed(headers, i, name)) values.push(headers[i + 1] ?? "");
  return values;
}

/** The first value of a header. `name` in lower case. */
export function valueOf(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (isNamed(headers, i, name)) return headers[i + 1] ?? "";
  return undefined;
}

function isNamed(headers: HeaderList, index: number, name: string): boolean {
  const key = headers[index] ?? "";
  return key.length === name.length && key.toLowerCase() === name;
}

/** The members of a comma-separated header over all its lines, trimmed, lower case, without empty ones. */
export function tokensOf(headers: HeaderList, name: string): string[] {
  return valuesOf(headers, name).flatMap(tokensIn);
}

function tokensIn(value: string): string[] {
  const tokens: string[] = [];
  for (const part of value.split(",")) {
    const token = part.trim().toLowerCase();
    if (token !== "") tokens.push(token);
  }
  return tokens;
}

/** As most clients and servers write names. A spelling in here costs one look-up instead of a new string. */
const usualKeys = new Map<string, string>();
const usualNames = `
  Accept Accept-Charset Accept-Encoding Accept-Language Accept-Ranges Access-Control-Allow-Origin Age
  Allow Authorization Cache-Control Connection Content-Disposition Content-Encoding Content-Language
  Content-Length Content-Range Content-Security-Policy Content-Type Cookie Date DNT ETag Expect
  Expires Forwarded Host If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since
  Keep-Alive Last-Modified Link Location Origin Pragma Priority Proxy-Connection Range Referer
  Retry-After Sec-CH-UA Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode
  Sec-Fetch-Site Sec-Fetch-User Server Set-Cookie Strict-Transport-Security TE Trailer
  Transfer-Encoding Upgrade Upgrade-Insecure-Requests User-Agent Vary Via X-Content-Type-Options
  X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Frame-Options X-Request-Id X-Requested-With
  X-Watershed-Trace traceparent tracestate`;
for (const name of usualNames.trim().split(/\s+/)) {
  const key = name.toLowerCase();
  usualKeys.set(name, key);
  usualKeys.set(key, key);
}

/** The name of a header in lower case. */
export function keyOf(name: string): string {
  return usualKeys.get(name) ?? name.toLowerCase();
}

/** What the router itself reads of a request's head: values in the order of their lines, tokens in lower case. */
export interface Survey {
  host: readonly string[];
  contentLength: readonly string[];
  transferEncoding: readonly string[];
  connection: readonly string[];
  upgrade: readonly string[];
  expect: readonly string[];
  te: readonly string[];
  via: readonly string[];
  xForwardedFor: readonly string[];
  xForwardedProto: readonly string[];
  xForwardedHost: readonly string[];
  xRequestId: readonly string[];
  traceparent: readonly string[];
  maxForwards: readonly string[];
  /** Many servers read "_" as "-": X_Forwarded_For would pass for X-Forwarded-For. */
  hasUnderscore: boolean;
}

const none: readonly string[] = [];

/** Finds all of it in one walk over the lines. */
export function survey(headers: HeaderList): Survey {
  const seen: Survey = {
    host: none,
    contentLength: none,
    transferEncoding: none,
    connection: none,
    upgrade: none,
    expect: none,
    te: none,
    via: none,
    xForwardedFor: none,
    xForwardedProto: none,
    xForwardedHost: none,
    xRequestId: none,
    traceparent: none,
    maxForwards: none,
    hasUnderscore: false,
  };
  for (let i = 0; i < headers.length; i += 2) note(seen, headers[i] ?? "", headers[i + 1] ?? "");
  return seen;
}

function note(seen: Survey, name: string, value: string): void {
  switch (keyOf(name)) {
    case "host":
      return void (seen.host = [...seen.host, value]);
    case "content-length":
      return void (seen.contentLength = [...seen.contentLength, value]);
    case "transfer-encoding":
      return void (seen.transferEncoding = [...seen.transferEncoding, value]);
    case "connection":
      return void (seen.connection = withTokens(seen.connection, value));
    case "upgrade":
      return void (seen.upgrade = withTokens(seen.upgrade, value));
    case "expect":
      return void (seen.expect = withTokens(seen.expect, value));
    case "te":
      return void (seen.te = withTokens(seen.te, value));
    case "via":
      return void (seen.via = [...seen.via, value]);
    case "x-forwarded-for":
      return void (seen.xForwardedFor = [...seen.xForwardedFor, value]);
    case "x-forwarded-proto":
      return void (seen.xForwardedProto = [...seen.xForwardedProto, value]);
    case "x-forwarded-host":
      return void (seen.xForwardedHost = [...seen.xForwardedHost, value]);
    case "x-request-id":
      return void (seen.xRequestId = [...seen.xRequestId, value]);
    case "traceparent":
      return void (seen.traceparent = [...seen.traceparent, value]);
    case "max-forwards":
      return void (seen.maxForwards = [...seen.maxForwards, value]);
    default:
      if (name.includes("_")) seen.hasUnderscore = true;
  }
}

const keepAlive: readonly string[] = ["keep-alive"];
const close: readonly string[] = ["close"];

function withTokens(tokens: readonly string[], value: string): readonly string[] {
  if (tokens.length === 0 && (value === "keep-alive" || value === "Keep-Alive")) return keepAlive;
  if (tokens.length === 0 && value === "close") return close;
  return [...tokens, ...tokensIn(value)];
}
