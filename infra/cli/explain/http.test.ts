import { describe, expect, it } from "vitest";
import { httpText, httpToldSchema } from "./http.ts";

const candidate = { name: "b/l4-1", address: "127.11.1.1:7002", zone: "b", active: 2, weight: 1, reason: "OK" };
const told = httpToldSchema.parse({
  method: "GET",
  url: "/api/users",
  client: "127.49.0.7",
  country: "DE",
  path: "/api/users",
  host: "www.stream.test",
  routes: [
    { index: 0, name: null, pools: ["admin"], matched: false, why: 'path is "/api/users", wanted "/admin/*"' },
    { index: 1, name: "api", pools: ["api"], matched: true, why: "" },
  ],
  policies: [{ policy: "maintenance", verdict: "off" }],
  reason: "OK",
  status: null,
  pool: "api",
  choice: { balance: "round-robin", reason: "OK", name: "b/l4-1", candidates: [{ ...candidate, picked: true }] },
});

describe("explain http", () => {
  it("shows the routes that were tried, the policies, the pool and its candidates", () => {
    expect(httpText(told, "eu-west/l7-1").split("\n")).toEqual([
      "asked    eu-west/l7-1: GET /api/users",
      "client   127.49.0.7 (DE)",
      "matched  /api/users at www.stream.test",
      'route    0: no, path is "/api/users", wanted "/admin/*"',
      "route    1 api: yes, to api",
      "policy   maintenance: off",
      "pool     api, round-robin",
      "outcome  b/l4-1 (OK)",
      "",
      "   candidate  address          zone  reason  active  weight",
      "→  b/l4-1     127.11.1.1:7002  b     OK           2       1",
      "",
    ]);
  });

  it("shows why a request is answered by the router", () => {
    const refused = { ...told, routes: [], policies: [], choice: null, pool: null, reason: "NO_ROUTE", status: 404 };
    expect(httpText(refused, "r").split("\n").slice(3)).toEqual(["outcome  answered 404 by the router (NO_ROUTE)", ""]);
  });
});
