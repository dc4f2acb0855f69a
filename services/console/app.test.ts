import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Hono } from "hono";
import { UsageError } from "#shared/core/error.ts";
import { consoleApp } from "./app.ts";
import type { Commands } from "./commands.ts";
import { StackState } from "./state/stack-state.ts";
import type { Topology } from "#shared/config/schema/topology.ts";

const own = "own-token";
let folder: string;
let ran: unknown[];

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "watershed-page-"));
  writeFileSync(path.join(folder, "index.html"), "<!doctype html>");
});
afterAll(() => rmSync(folder, { recursive: true }));

function app(adminToken?: string): Hono {
  ran = [];
  const commands = {
    run: (name: string, input: unknown) => {
      if (name === "bad") throw new UsageError("that is wrong");
      ran.push({ name, input });
      return Promise.resolve({ done: name });
    },
  } as unknown as Commands;
  const state = new StackState(
    { regions: {} } as Topology,
    [],
    () => Promise.reject(new Error("no node")),
    () => null,
  );
  const session = () =>
    Promise.resolve({ dnsZone: "x.test", countries: {}, algorithms: [], targets: [], drillsLimitedBy: null });
  return consoleApp({ state, commands, pageDir: folder, session, adminToken, ownToken: own, runId: "run" });
}

const base = "http://127.0.0.1:8900";
const post = (token: string, headers: Record<string, string> = {}, body = "{}") => ({
  method: "POST",
  body,
  headers: { host: "127.0.0.1:8900", authorization: `Bearer ${token}`, ...headers },
});

describe("who may have something done", () => {
  it.each([
    {
      who: "the page, with its token",
      token: own,
      headers: { origin: base, "sec-fetch-site": "same-origin" },
      status: 200,
    },
    { who: "a program with the token", token: own, headers: {}, status: 200 },
    { who: "nobody without it", token: "wrong", headers: {}, status: 401 },
    { who: "no page of another site", token: own, headers: { origin: "http://evil.test" }, status: 403 },
    { who: "no page that says where it is from", token: own, headers: { "sec-fetch-site": "cross-site" }, status: 403 },
    { who: "no name made to point here", token: own, headers: { host: "evil.test:8900" }, status: 403 },
  ])("$who: $status", async ({ token, headers, status }) => {
    const reply = await app().request(`${base}/api/commands/drill`, post(token, headers));
    expect(reply.status).toBe(status);
    expect(ran).toHaveLength(status === 200 ? 1 : 0);
  });

  it("where the stack has a token, it is needed for reading too, and the console's own is none", async () => {
    const host = { host: "console.example" };
    const session = (token: string) =>
      app("secret").request(`${base}/api/session`, { headers: { ...host, authorization: `Bearer ${token}` } });
    expect((await session(own)).status).toBe(401);
    expect(await (await session("secret")).json()).toMatchObject({ token: null, dnsZone: "x.test" });
    expect((await app("secret").request(`${base}/`, { headers: host })).status).toBe(200);
  });
});

describe("what is refused", () => {
  it.each([
    { what: "a command that says no", path: "bad", body: "{}", status: 400, error: "that is wrong" },
    { what: "a body that is no JSON", path: "drill", body: "{", status: 400, error: "the body must be JSON" },
    {
      what: "a body that is too long",
      path: "drill",
      body: `"${"x".repeat(300_000)}"`,
      status: 413,
      error: "the body is too long",
    },
  ])("$what: $status", async ({ path: name, body, status, error }) => {
    const reply = await app().request(
      `${base}/api/commands/${name}`,
      post(own, { "content-length": String(body.length) }, body),
    );
    expect([reply.status, await reply.json()]).toEqual([status, { error }]);
  });
});

describe("the page", () => {
  it("runs nothing but its own code, in no frame", async () => {
    const reply = await app().request(`${base}/`, { headers: { host: "localhost:8900" } });
    const policy = reply.headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
      expect(policy).toContain(part);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
  });

  it.each(["/../package.json", "/%2e%2e/package.json", "/assets/", "/api/none"])(
    "has nothing at %s",
    async (target) => {
      expect((await app().request(base + target, { headers: { host: "localhost" } })).status).toBe(404);
    },
  );
});
