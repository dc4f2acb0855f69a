import type { z } from "zod";

/** Any schema; `kinds` are those that a config is made of. */
export type Schema = z.core.$ZodType;

const defOf = (schema: Schema) => (schema as z.core.$ZodTypes)._zod.def;
const isWrapper = (type: string) =>
  type === "optional" || type === "default" || type === "prefault" || type === "nullable" || type === "readonly";

/** The schema, then what it wraps: default → transform → object. The last one says what is written in the file. */
export function layersOf(schema: Schema): readonly Schema[] {
  const layers = [schema];
  for (let inner = innerOf(schema); inner; inner = innerOf(inner)) layers.push(inner);
  return layers;
}

function innerOf(schema: Schema): Schema | undefined {
  const def = defOf(schema);
  if (def.type === "pipe") return def.in;
  return isWrapper(def.type) ? (def as z.core.$ZodOptionalDef).innerType : undefined;
}

/** What is written in the file: the innermost layer. */
export function coreOf(schema: Schema): z.core.$ZodTypes {
  return (layersOf(schema).at(-1) ?? schema) as z.core.$ZodTypes;
}

/** The schema of the value at a path; undefined if the path leads out of what is known. */
export function schemaAt(schema: Schema, path: readonly PropertyKey[]): Schema | undefined {
  let current: Schema | undefined = schema;
  for (const segment of path) {
    current = current && childOf(current, segment);
  }
  return current;
}

function childOf(schema: Schema, segment: PropertyKey): Schema | undefined {
  const def = coreOf(schema)._zod.def;
  switch (def.type) {
    case "object":
      return Object.hasOwn(def.shape, segment) ? def.shape[String(segment)] : undefined;
    case "record":
      return def.valueType;
    case "array":
      return def.element;
    case "tuple":
      return def.items[Number(segment)];
    case "union":
      return def.options.map((option) => childOf(option, segment)).find((child) => child !== undefined);
    default:
      return undefined;
  }
}

/** Keys that the mapping at this schema may have; undefined where they are free. */
export function keysOf(schema: Schema): readonly string[] | undefined {
  const def = coreOf(schema)._zod.def;
  if (def.type === "object") return Object.keys(def.shape);
  return def.type === "record" ? choicesOf(def.keyType) : undefined;
}

/** The words of an enum or literal, or those among the options of a union; undefined if there are none. */
export function choicesOf(schema: Schema): readonly string[] | undefined {
  const def = coreOf(schema)._zod.def;
  if (def.type === "enum") return Object.values(def.entries).map(String);
  if (def.type === "literal") return def.values.map(String);
  if (def.type !== "union") return undefined;
  const choices = def.options.flatMap((option) => choicesOf(option) ?? []);
  return choices.length > 0 ? choices : undefined;
}

/** What a value must be, to be read after "expected": "a whole number 1..1000". */
export function describeSchema(schema: Schema): string {
  const checks = layersOf(schema)
    .toReversed() // a value must first be right as it is written
    .flatMap((layer) => checksOf(layer));
  const own = firstPhrase(checks, messageOfCheck) ?? firstPhrase(checks, describeCheck);
  const core = coreOf(schema);
  const def = core._zod.def;
  switch (def.type) {
    case "string":
      return own ?? "a text";
    case "number":
      return describeNumber(core);
    case "boolean":
      return "true or false";
    case "object":
    case "record":
      return "a mapping";
    case "array":
      return describeList(core);
    case "tuple":
      return `a list of ${def.items.length}: ${def.items.map(describeSchema).join(", ")}`;
    case "enum":
    case "literal":
      return describeChoices(schema);
    case "union":
      return def.options.map(describeSchema).join(" or ");
    default:
      return own ?? def.type;
  }
}

function firstPhrase(checks: readonly Check[], phraseOf: (check: Check) => string | undefined): string | undefined {
  return checks.map(phraseOf).find((phrase) => phrase !== undefined);
}

function describeChoices(schema: Schema): string {
  const def = coreOf(schema)._zod.def;
  if (def.type === "literal") return def.values.map((value) => JSON.stringify(value)).join(" or ");
  const choices = choicesOf(schema) ?? [];
  return choices.length === 1 ? `"${choices[0]}"` : `one of ${choices.join(", ")}`;
}

type Check = z.core.$ZodChecks["_zod"]["def"] | z.core.$ZodCustomDef;

export function checksOf(schema: Schema): readonly Check[] {
  const def = schema._zod.def;
  const own = "check" in def ? [def as unknown as Check] : [];
  return [...own, ...(def.checks ?? []).map((check) => check._zod.def as Check)];
}

/** What a check of a text wants: its own message, or words for it; undefined if it has none. */
export function describeCheck(check: Check): string | undefined {
  const message = messageOfCheck(check);
  if (message !== undefined) return message;
  if (check.check === "min_length")
    return check.minimum === 1 ? "a text that is not empty" : `a text of at least ${check.minimum} characters`;
  if (check.check === "max_length") return `a text of at most ${check.maximum} characters`;
  if (check.check !== "string_format") return undefined;
  if (check.format === "starts_with")
    return `a text that begins with "${(check as z.core.$ZodCheckStartsWithDef).prefix}"`;
  return `a text of the form ${String(check.pattern)}`;
}

/** The message given with a check in a schema. */
export function messageOfCheck(check: Check): string | undefined {
  const error = check.error?.({ code: "custom", input: undefined, path: [], message: "" } as never);
  return typeof error === "string" ? error : error?.message;
}

/** Smallest and largest number or length allowed, where there is one. */
function boundsOf(schema: Schema): { minimum?: number; maximum?: number; whole: boolean } {
  const bounds: { minimum?: number; maximum?: number; whole: boolean } = { whole: false };
  for (const check of checksOf(schema)) {
    if (check.check === "number_format") bounds.whole = check.format === "safeint";
    if (check.check === "greater_than") bounds.minimum = Number(check.value);
    if (check.check === "less_than") bounds.maximum = Number(check.value);
    if (check.check === "min_length") bounds.minimum = check.minimum;
    if (check.check === "max_length") bounds.maximum = check.maximum;
  }
  return bounds;
}

function describeNumber(schema: Schema): string {
  const { minimum, maximum, whole } = boundsOf(schema);
  const what = whole ? "a whole number" : "a number";
  if (minimum !== undefined && maximum !== undefined) return `${what} ${minimum}..${maximum}`;
  if (minimum !== undefined) return `${what} from ${minimum}`;
  return maximum === undefined ? what : `${what} up to ${maximum}`;
}

function describeList(schema: Schema): string {
  const { minimum, maximum } = boundsOf(schema);
  if (maximum !== undefined) return `a list of ${minimum ?? 0}..${maximum}`;
  if (minimum === 1) return "a list that is not empty";
  return minimum === undefined ? "a list" : `a list of at least ${minimum}`;
}
