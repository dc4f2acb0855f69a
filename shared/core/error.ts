/** Why something was decided, in one stable word: the same in explain, logs, metrics, headers and the console. */
export const reasons = [
  "OK",
  "STARTING",
  "NO_ROUTE",
  "NO_HEALTHY",
  "NO_ENDPOINT",
  "CONNECT_FAILED",
  "CONNECT_TIMEOUT",
  "TIMEOUT",
  "UPSTREAM_RESET",
  "UPSTREAM_INVALID",
  "CLIENT_GONE",
  "BAD_REQUEST",
  "METHOD_REFUSED",
  "HEADERS_TOO_LARGE",
  "BODY_TOO_LARGE",
  "TARGET_TOO_LONG",
  "LOOP",
  "MISDIRECTED",
  "REDIRECTED",
  "LIMIT_REACHED",
  "DENIED",
  "RATE_LIMITED",
  "UNHEALTHY",
  "CHECK_STATUS",
  "CHECK_TIMEOUT",
  "CHECK_REFUSED",
  "CHECK_FAILED",
  "EJECTED",
  "DRAINING",
  "DISABLED",
  "FORCED_UP",
  "CHANGING",
  "BACKUP",
  "ALREADY_TRIED",
  "OTHER_ZONE",
  "PANIC",
  "REGION_FAILOVER",
  "ZONE_FAILOVER",
  "FAIL_OPEN",
  "NOT_OUR_ZONE",
  "NOT_SERVED",
  "IDLE",
  "PROXY_HEADER_INVALID",
  "CLIENT_HELLO_INVALID",
  "REBALANCED",
  "REDIRECTED",
  "FIXED_ANSWER",
  "MAINTENANCE",
  "FAULT_INJECTED",
  "HEDGED",
] as const;

export type Reason = (typeof reasons)[number];

/** Whose fault a failure is. */
export type Origin = "downstream" | "upstream" | "internal";

/** A failure on the way of a request: says why, whose fault it is, and whether another endpoint may be tried. */
export class TrafficError extends Error {
  override readonly name = "TrafficError";
  readonly reason: Reason;
  readonly origin: Origin;
  readonly retryable: boolean;

  constructor(
    reason: Reason,
    message: string,
    details: { readonly origin: Origin; readonly retryable?: boolean; readonly cause?: unknown },
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.origin = details.origin;
    this.retryable = details.retryable ?? false;
  }
}

/** The operator asked for something that cannot be done: bad usage, bad config, a taken port. The process ends with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A programmer error: the code is wrong, not the input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Why a file cannot be read, for whoever named it. */
export function whyUnreadable(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "this process may not read it";
    case "EISDIR":
      return "it is a directory";
    default:
      return `it cannot be read: ${messageOf(error)}`;
  }
}

/** The `code` of a system error (ECONNREFUSED ...), or "". */
export function codeOf(thrown: unknown): string {
  const code = (thrown as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
