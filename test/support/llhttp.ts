import { createRequire } from "node:module";

/** What of node's own parser is used: it is not in its documentation, but the runtime is pinned. */
interface Parser {
  initialize(type: number, resource: object, headerBytesMax: number, lenient: number): void;
  execute(bytes: Buffer): number | Error;
  [event: number]: (...args: never[]) => unknown;
}
interface ParserClass {
  new (): Parser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}
const common = createRequire(import.meta.url)("_http_common") as { HTTPParser: ParserClass; methods: string[] };
const { HTTPParser, methods } = common;

/** One request as llhttp reads it. */
export interface LlhttpRequest {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/** Reads bytes with node's own parser, strictly.
 * @returns the requests that are whole, or why the bytes are none; undefined while the last one is not whole */
export function readWithLlhttp(bytes: Buffer): readonly LlhttpRequest[] | Error | undefined {
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 65_536, 0);
  const requests: LlhttpRequest[] = [];
  let headers: string[] = [];
  let isOpen = false;
  let head: Omit<LlhttpRequest, "body"> | undefined;
  let body = "";
  let target = "";
  parser[HTTPParser.kOnHeaders] = (lines: string[], url: string) => {
    headers = [...headers, ...lines];
    target += url;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    major: number,
    minor: number,
    lines: string[] | undefined,
    method: number,
    url: string | undefined,
  ) => {
    const all = lines ?? headers;
    head = { method: methods[method] ?? "", target: url ?? target, version: `${major}.${minor}`, headers: [...all] };
    headers = [];
    target = "";
    isOpen = true;
    body = "";
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk: Buffer) => void (body += chunk.toString("latin1"));
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (head) requests.push({ ...head, body });
    isOpen = false;
  };
  const result = parser.execute(bytes);
  if (result instanceof Error) return result;
  return isOpen ? undefined : requests;
}

/** Its methods in the order of its numbers. */
export { methods as llhttpMethods };
