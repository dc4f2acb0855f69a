import type { BodyMatchConfig } from "#shared/config/schema/body-match.ts";
import type { Routable } from "./match.ts";

/** A field that a route asks of a body, ready to be looked up. */
export interface BodyCondition {
  readonly kind: "json" | "form";
  /** Of JSON the steps of the pointer, of a form its field. */
  readonly path: readonly string[];
  readonly equals: string | number | boolean;
}

/** What is known of a request's body when its route is looked for. */
export type RequestBody =
  | { readonly state: "none" }
  /** There is one, and nothing says yet that it is too large to be read for a route. */
  | { readonly state: "unread" }
  | { readonly state: "tooLarge"; readonly bytesMax: number }
  | { readonly state: "read"; readonly fields: BodyFields };

/** Another route cannot be told from this one without the body. */
export const bodyWanted = Symbol("body wanted");

export const noBody: RequestBody = { state: "none" };
export const unreadBody: RequestBody = { state: "unread" };

export function compileBody({ json, form, equals }: BodyMatchConfig): BodyCondition {
  if (json === undefined) return { kind: "form", path: [form ?? ""], equals };
  const steps = json.split("/").slice(1);
  return { kind: "json", path: steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~")), equals };
}

/** A whole body, parsed when a route asks for the first time. */
export class BodyFields {
  readonly #bytes: Uint8Array;
  #json: { readonly value: unknown } | undefined;
  #form: URLSearchParams | undefined;
  #isRead = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @returns why the condition does not hold; undefined if it does */
  failureOf(condition: BodyCondition): string | undefined {
    this.#read(condition.kind);
    return condition.kind === "json" ? this.#jsonFailure(condition) : this.#formFailure(condition);
  }

  /** A request has one Content-Type, so only one of both is ever asked for. */
  #read(kind: BodyCondition["kind"]): void {
    if (this.#isRead) return;
    this.#isRead = true;
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(this.#bytes);
      if (kind === "json") this.#json = { value: JSON.parse(text) };
      else this.#form = new URLSearchParams(text);
    } catch {
      // What is none of its type matches no route.
    }
  }

  #jsonFailure({ path, equals }: BodyCondition): string | undefined {
    if (!this.#json) return "body is not valid JSON";
    const found = valueAt(this.#json.value, path);
    if (found === equals) return undefined;
    const place = path.length === 0 ? "the whole body" : `/${path.join("/")}`;
    return found === undefined ? `body has no ${place}` : `${place} of the body is ${shown(found)}`;
  }

  #formFailure({ path: [field = ""], equals }: BodyCondition): string | undefined {
    if (!this.#form) return "body is not a form in UTF-8";
    const values = this.#form.getAll(field);
    if (values.some((value) => value === equals)) return undefined;
    return values.length === 0 ? `body has no field ${field}` : `field ${field} is ${shown(values.join(", "))}`;
  }
}

/** Why a route that asks for a field of the body does not match, or that the body must be read to tell.
 * @returns undefined if it matches */
export function bodyFailure(
  condition: BodyCondition,
  request: Routable,
  body: RequestBody,
): string | typeof bodyWanted | undefined {
  if (body.state === "none") return "the request has no body";
  const types = request.headerValues("content-type");
  if (types.length !== 1 || kindOf(types[0] ?? "") !== condition.kind)
    return `body is of ${types.join(", ") || "no type"}, wanted ${condition.kind === "json" ? "JSON" : "a form"}`;
  const codings = request.headerValues("content-encoding").filter((coding) => coding.toLowerCase() !== "identity");
  if (codings.length > 0) return `body is encoded: ${codings.join(", ")}`;
  if (body.state === "tooLarge") return `body is larger than ${body.bytesMax} bytes, so it was not read`;
  return body.state === "unread" ? bodyWanted : body.fields.failureOf(condition);
}

/** @see RFC 8259 §8.1, §11; RFC 6839 §3.1 */
function kindOf(contentType: string): BodyCondition["kind"] | undefined {
  const type = (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
  if (type === "application/x-www-form-urlencoded") return "form";
  return type === "application/json" || /^[a-z]+\/[^/\s]+\+json$/.test(type) ? "json" : undefined;
}

/** @see RFC 6901 §4 */
function valueAt(json: unknown, path: readonly string[]): unknown {
  let value = json;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    if (Array.isArray(value) && !/^(?:0|[1-9]\d{0,8})$/.test(step)) return undefined;
    if (!Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

const shownMax = 40; // characters: enough to see what is wrong

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
}
