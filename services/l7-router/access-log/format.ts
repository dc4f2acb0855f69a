/** One request, as it is logged. */
export interface AccessEntry {
  /** Wall clock, when it ended. */
  readonly atMs: number;
  readonly requestId: string;
  readonly client: string;
  readonly method: string;
  /** With its query, as it came. */
  readonly target: string;
  /** "1.1" */
  readonly version: string;
  readonly host: string;
  readonly status: number;
  /** A reason code. */
  readonly reason: string;
  /** Name or number, or what answered instead of one. */
  readonly route: string;
  /** "" without. */
  readonly pool: string;
  /** Whose answer it was; undefined if none answered. */
  readonly endpoint: string | undefined;
  /** Tries at a server. */
  readonly attempts: number;
  /** What became of a second try beside a slow first; undefined where none was wanted. */
  readonly hedge: string | undefined;
  /** Of the bodies. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly tookMs: number;
  /** To the head of the server's answer; undefined if none answered. */
  readonly firstByteMs: number | undefined;
  readonly referer: string | undefined;
  readonly userAgent: string | undefined;
}

export type AccessFormat = (entry: AccessEntry) => string;

/** Names that stand in every line of the node. */
export interface LogNames {
  readonly service: string;
  readonly node: string;
}

const textMax = 2_048; // characters of what a client has chosen: nobody may fill a disk with a few requests

/** How one line is made, without its end. */
export const formats: Readonly<Record<"json" | "common" | "combined", (names: LogNames) => AccessFormat>> = {
  json: (names) => (entry) => jsonLine(names, entry),
  common: () => commonLine,
  combined: () => (entry) => `${commonLine(entry)} "${escaped(entry.referer)}" "${escaped(entry.userAgent)}"`,
};

function jsonLine(names: LogNames, entry: AccessEntry): string {
  const { atMs, pool, endpoint, firstByteMs, target, host, referer, userAgent, ...rest } = entry;
  const line = JSON.stringify({
    level: "info",
    time: new Date(atMs).toISOString(),
    ...names,
    msg: "request",
    ...rest,
    target: cut(target),
    host: cut(host),
    pool: pool === "" ? undefined : pool,
    endpoint,
    tookMs: rounded(entry.tookMs),
    firstByteMs: firstByteMs === undefined ? undefined : rounded(firstByteMs),
    referer: referer === undefined ? undefined : cut(referer),
    userAgent: userAgent === undefined ? undefined : cut(userAgent),
  });
  // JSON lets these through, terminals and line readers do not.
  return line.replace(/[\x7f-\x9f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** @see https://httpd.apache.org/docs/2.4/logs.html#common */
function commonLine(entry: AccessEntry): string {
  const { client, method, target, version, status, bytesOut } = entry;
  const request = `${escaped(method)} ${escaped(target)} HTTP/${escaped(version)}`;
  return `${client || "-"} - - [${commonTime(entry.atMs)}] "${request}" ${status} ${bytesOut || "-"}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "26/Nov/2026:06:52:18 +0000" */
function commonTime(atMs: number): string {
  const [date = "", time = ""] = new Date(atMs).toISOString().split("T");
  const [year = "", month = "", day = ""] = date.split("-");
  return `${day}/${months[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`;
}

/** As Apache writes what a client has chosen: no quote, no control character, nothing but ASCII. */
function escaped(text: string | undefined): string {
  if (text === undefined || text === "") return "-";
  return cut(text).replace(/["\\]|[^\x20-\x7e]/g, (character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    return Array.from(Buffer.from(character, "latin1"), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  });
}

function cut(text: string): string {
  return text.length > textMax ? `${text.slice(0, textMax)}…` : text;
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
