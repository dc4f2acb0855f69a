import { describe, expect, it } from "vitest";
import type { BodyMatchConfig } from "#shared/config/schema/body-match.ts";
import { BodyFields, bodyFailure, bodyWanted, compileBody, noBody, unreadBody } from "./body.ts";
import type { RequestBody } from "./body.ts";
import type { Routable } from "./match.ts";

const requestOf = (type: string | undefined, coding?: string): Routable => ({
  method: "POST",
  host: "",
  path: "/",
  query: "",
  headerValues: (name) => {
    const value = name === "content-type" ? type : name === "content-encoding" ? coding : undefined;
    return value === undefined ? [] : [value];
  },
});
const read = (text: string): RequestBody => ({ state: "read", fields: new BodyFields(Buffer.from(text, "latin1")) });
const json = "application/json";
const form = "application/x-www-form-urlencoded";

const cases: readonly {
  match: BodyMatchConfig;
  type?: string;
  coding?: string;
  body: RequestBody;
  why: string | typeof bodyWanted | undefined;
}[] = [
  { match: { json: "/plan", equals: "pro" }, type: json, body: read('{"plan":"pro"}'), why: undefined },
  { match: { json: "/a/1/b", equals: 7 }, type: json, body: read('{"a":[0,{"b":7.0}]}'), why: undefined },
  { match: { json: "/a~1b/m~0n", equals: true }, type: json, body: read('{"a/b":{"m~n":true}}'), why: undefined },
  {
    match: { json: "", equals: "pro" },
    type: "application/x+json; charset=utf-8",
    body: read('"pro"'),
    why: undefined,
  },
  { match: { form: "plan", equals: "pro x" }, type: form, body: read("a=1&plan=free&plan=pro+x"), why: undefined },
  { match: { json: "/plan", equals: "1" }, type: json, body: read('{"plan":1}'), why: "/plan of the body is 1" },
  { match: { json: "/a/01", equals: 7 }, type: json, body: read('{"a":[0,7]}'), why: "body has no /a/01" },
  { match: { json: "/a/length", equals: 2 }, type: json, body: read('{"a":[0,7]}'), why: "body has no /a/length" },
  {
    match: { json: "/constructor/name", equals: "Object" },
    type: json,
    body: read("{}"),
    why: "body has no /constructor/name",
  },
  { match: { json: "/p", equals: "x" }, type: json, body: read("null"), why: "body has no /p" },
  { match: { json: "/p", equals: "x" }, type: json, body: read('{"p":"x"'), why: "body is not valid JSON" },
  { match: { json: "/p", equals: "\xff" }, type: json, body: read('{"p":"\xff"}'), why: "body is not valid JSON" },
  { match: { form: "p", equals: "x" }, type: form, body: read("q=x"), why: "body has no field p" },
  { match: { form: "p", equals: "x" }, type: form, body: read("p=y"), why: 'field p is "y"' },
  { match: { form: "p", equals: "x" }, type: form, body: read("p=\xff"), why: "body is not a form in UTF-8" },
  {
    match: { json: "/p", equals: "x" },
    type: form,
    body: unreadBody,
    why: `body is of ${form}, wanted JSON`,
  },
  { match: { form: "p", equals: "x" }, body: unreadBody, why: "body is of no type, wanted a form" },
  { match: { json: "/p", equals: "x" }, type: json, coding: "gzip", body: unreadBody, why: "body is encoded: gzip" },
  {
    match: { json: "/p", equals: "x" },
    type: json,
    body: { state: "tooLarge", bytesMax: 10 },
    why: "body is larger than 10 bytes, so it was not read",
  },
  { match: { json: "/p", equals: "x" }, type: json, body: noBody, why: "the request has no body" },
  { match: { json: "/p", equals: "x" }, type: json, coding: "identity", body: unreadBody, why: bodyWanted },
];

describe("a condition on a body", () => {
  for (const { match, type, coding, body, why } of cases)
    it(`${JSON.stringify(match)} of ${type ?? "no type"}${coding ? `, ${coding}` : ""}: ${why?.toString() ?? "holds"}`, () =>
      expect(bodyFailure(compileBody(match), requestOf(type, coding), body)).toBe(why));
});
