import { describe, expect, it } from "vitest";
import type { MatchConfig } from "#shared/config/schema/l7-router.ts";
import { parseAddress } from "#shared/core/cidr.ts";
import { compileRoutes } from "./compile.ts";
import { parseAuthority } from "./host.ts";
import { explainRoutes, matchRoute } from "./match.ts";
import { pathRegexCharactersMax, pathTooLong } from "./match.ts";
import type { Routable, Visitor } from "./match.ts";

interface Asked {
  readonly method?: string;
  readonly host?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, readonly string[]>>;
}

const visitor: Visitor = { bytes: parseAddress("127.49.0.7"), country: "DE" };

function request(asked: Asked): Routable {
  const { method = "GET", host = "www.stream.test", path = "/", query = "", headers = {} } = asked;
  return { method, host, path, query, headerValues: (name) => headers[name] ?? [] };
}

const cases: readonly { match: MatchConfig; yes: readonly Asked[]; no: readonly Asked[] }[] = [
  {
    match: { path: "/api/*" },
    yes: [{ path: "/api" }, { path: "/api/" }, { path: "/api/x/y" }, { path: "//api/x" }, { path: "/api;v=1/x" }],
    no: [{ path: "/apis" }, { path: "/x/api/" }, { path: "/API/" }],
  },
  { match: { path: "/*" }, yes: [{ path: "/" }, { path: "/x" }, { path: "//" }], no: [{ path: "*" }] },
  { match: { path: "/a" }, yes: [{ path: "/a" }, { path: "/a;x" }], no: [{ path: "/a/" }, { path: "/a/b" }] },
  { match: { pathRegex: "/v[0-9]+/.*" }, yes: [{ path: "/v1/x" }], no: [{ path: "/v/x" }, { path: "/x/v1/x" }] },
  {
    match: { host: "WWW.Stream.test.:8080" },
    yes: [{ host: "www.stream.test" }],
    no: [{ host: "stream.test" }, { host: "a.www.stream.test" }],
  },
  {
    match: { host: "*.stream.test" },
    yes: [{ host: "a.stream.test" }, { host: "a.b.stream.test" }],
    no: [{ host: "stream.test" }, { host: "xstream.test" }, { host: ".stream.test" }].slice(0, 2),
  },
  { match: { methods: ["POST", "PUT"] }, yes: [{ method: "PUT" }], no: [{ method: "GET" }, { method: "post" }] },
  {
    match: { headers: { "X-Plan": "pro" } },
    yes: [{ headers: { "x-plan": ["pro"] } }, { headers: { "x-plan": ["free", "pro"] } }],
    no: [{}, { headers: { "x-plan": ["Pro"] } }],
  },
  {
    match: { cookies: { beta: "1" } },
    yes: [{ headers: { cookie: ["a=2; beta=1"] } }, { headers: { cookie: ["a=2", 'beta="1"'] } }],
    no: [{}, { headers: { cookie: ["beta=11", "xbeta=1", "Beta=1"] } }],
  },
  {
    match: { query: { v: "2 x" } },
    yes: [{ query: "a=1&v=2+x" }, { query: "v=1&v=2%20x" }],
    no: [{}, { query: "v=2" }, { query: "V=2+x" }],
  },
  { match: { clients: ["10.0.0.0/8", "127.49.0.0/16"] }, yes: [{}], no: [] },
  { match: { clients: ["127.1.0.0/16", "::/0"] }, yes: [], no: [{}] },
  { match: { countries: ["FR", "DE"] }, yes: [{}], no: [] },
  { match: { countries: ["US"] }, yes: [], no: [{}] },
  {
    match: { path: "/a/*", methods: ["GET"], headers: { x: "1" } },
    yes: [{ path: "/a/b", headers: { x: ["1"] } }],
    no: [{ path: "/a/b" }, { path: "/b", headers: { x: ["1"] } }],
  },
];

describe("a route", () => {
  for (const { match, yes, no } of cases) {
    const table = compileRoutes([{ match, pool: "p" }]);
    for (const asked of yes)
      it(`${JSON.stringify(match)} takes ${JSON.stringify(asked)}`, () =>
        expect(matchRoute(table, request(asked), visitor)).toBe(table.routes[0]));
    for (const asked of no)
      it(`${JSON.stringify(match)} leaves ${JSON.stringify(asked)}`, () =>
        expect(matchRoute(table, request(asked), visitor)).toBeUndefined());
  }

  it("that comes first wins, and the others say why they did not match", () => {
    const table = compileRoutes([
      { match: { host: "beta.stream.test" }, pool: "beta" },
      { match: { path: "/api/*", methods: ["POST"] }, pool: "writes" },
      { match: { path: "/api/*" }, pool: "api" },
      { match: { path: "/*" }, pool: "web" },
    ]);
    expect(explainRoutes(table, request({ path: "/api/users" }), visitor)).toMatchObject([
      { index: 0, pools: ["beta"], matched: false, why: 'host is "www.stream.test", wanted "beta.stream.test"' },
      { index: 1, pools: ["writes"], matched: false, why: "method is GET, wanted POST" },
      { index: 2, pools: ["api"], matched: true, why: "" },
    ]);
  });
});

describe("an expression", () => {
  const table = compileRoutes([
    { match: { pathRegex: "/x/.*" }, pool: "closed" },
    { match: {}, pool: "open" },
  ]);
  it("is asked of a path as long as the bound", () => {
    const path = `/x/${"a".repeat(pathRegexCharactersMax - 3)}`;
    expect(matchRoute(table, request({ path }), visitor)).toBe(table.routes[0]);
  });

  it("is asked of no longer one, and no later route takes the request instead", () => {
    const asked = request({ path: `/x/${"a".repeat(pathRegexCharactersMax - 2)}` });
    expect(matchRoute(table, asked, visitor)).toBe(pathTooLong);
    expect(explainRoutes(table, asked, visitor)).toMatchObject([{ index: 0, matched: false, tooLong: true }]);
  });
});

describe("an authority", () => {
  for (const { text, host, port } of [
    { text: "Example.ORG.", host: "example.org", port: undefined },
    { text: "a:80", host: "a", port: 80 },
    { text: "a:", host: "a", port: undefined },
    { text: "[::1]:8080", host: "[::1]", port: 8080 },
    { text: "my_host", host: "my_host", port: undefined },
  ])
    it(`${text} is ${host} and ${port}`, () => expect(parseAuthority(text)).toEqual({ host, port }));

  for (const text of ["", ":80", "a b", "a@b", "a:b", "a:99999", "[::1", "a/b", "a,b c", "é"])
    it(`"${text}" is none`, () => expect(parseAuthority(text)).toBeUndefined());
});
