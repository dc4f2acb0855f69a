import { parseDurationMs } from "#shared/core/duration.ts";
import { UsageError } from "#shared/core/error.ts";

const expected =
  'expected {"onDrain": "keep"}, "reset" or {"finishWithin": "30s"}, or the same as ?onDrain= or ?finishWithin=';

/** What is to become of the work of an endpoint that drains, by the body or the query of the command.
 * @returns ms after which what is left is cut, 0 for at once; undefined: it may take as long as it takes
 * @throws {UsageError} */
export function cutAfterMsOf(body: string, query: URLSearchParams): number | undefined {
  const wish = body.trim() === "" ? wishOfQuery(query) : wishOfBody(body);
  if (wish === undefined || wish === "keep") return undefined;
  if (wish === "reset") return 0;
  const text = typeof wish === "object" && wish !== null && "finishWithin" in wish ? wish.finishWithin : undefined;
  const ms = typeof text === "string" ? parseDurationMs(text) : undefined;
  if (ms === undefined) throw new UsageError(expected);
  return ms;
}

function wishOfQuery(query: URLSearchParams): unknown {
  const finishWithin = query.get("finishWithin");
  return finishWithin === null ? (query.get("onDrain") ?? undefined) : { finishWithin };
}

function wishOfBody(body: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch (cause) {
    throw new UsageError(expected, { cause });
  }
  if (typeof json !== "object" || json === null || !("onDrain" in json)) throw new UsageError(expected);
  return json.onDrain;
}
