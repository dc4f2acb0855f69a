import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { Rig, head } from "#test/contract/engine/rig.ts";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";

const edits = { remove: ["X-Gone"], set: { "X-Set": "ours" }, add: { "X-Added": "one more" } };
const routes = [
  { match: { path: "/moved/*" }, redirect: { to: "https://{host}/new{rest}", status: 308 } },
  { match: { path: "/bare/*" }, redirect: { to: "{rest}" } },
  { match: { path: "/robots.txt" }, respond: { body: "User-agent: *\n", headers: { "Cache-Control": "max-age=60" } } },
  { match: { path: "/gone" }, respond: { status: 204 } },
  { match: { pathRegex: "/films/([0-9]+)/(.*)" }, pool: "main", rewrite: { path: "/{2}/{1}", host: "films.test" } },
  { match: { path: "/edited" }, pool: "main", requestHeaders: edits, replyHeaders: edits },
  { name: "shop", match: { path: "/shop" }, pool: "main" },
  { match: { path: "/closed" }, pool: "main", maintenance: { message: "back soon", retryAfter: "90s" } },
  { match: { path: "/abort" }, pool: "main", fault: { abort: 503, delay: "20ms" } },
  { match: { path: "/slow" }, pool: "main", fault: { delay: "20ms" } },
  { match: { path: "/never" }, pool: "main", fault: { abort: 503, abortPercent: 0 } },
  {
    match: { path: "/*" },
    split: [
      { pool: "main", weight: 1 },
      { pool: "other", weight: 0 },
    ],
  },
];
const answers = "HTTP/1.1 200 OK\r\nX-Gone: 1\r\nX-Set: theirs\r\nContent-Length: 2\r\n\r\nok";

describe.each(["wire", "http-proxy"] as const)("a route's actions with the engine %s", (engine) => {
  const start = async (): Promise<Rig> => {
    const rig = await Rig.start({ engine, scripts: [{ onRequest: ({ socket }) => void socket.write(answers) }] });
    const pool = { endpoints: [{ address: rig.backend.address }] };
    const node = { node: "router-1", engine, listeners: [{ address: "127.0.0.1:0" }] };
    await rig.router.reload(l7RouterSchema.parse({ ...node, routes, pools: { main: pool, other: pool } }));
    return rig;
  };
  const ask = async (rig: Rig, target: string, ...lines: string[]) => {
    const client = await rig.client();
    client.send(head(`GET ${target} HTTP/1.1`, ...lines));
    return client.answer();
  };

  it.each([
    { target: "/moved/a/b", status: 308, location: "https://www.stream.test/new/a/b" },
    { target: "/bare//evil.test/x", status: 302, location: "/evil.test/x" },
  ])("redirect $target to $location", async ({ target, status, location }) => {
    await using rig = await start();
    const answer = await ask(rig, target);
    expect([answer.status, answer.header("location"), answer.header("x-watershed-reason")]).toEqual([
      status,
      location,
      "REDIRECTED",
    ]);
    expect(rig.backend.requests).toEqual([]);
  });

  it("respond with what the config says", async () => {
    await using rig = await start();
    const answer = await ask(rig, "/robots.txt");
    expect([answer.status, answer.body, answer.header("cache-control")]).toEqual([
      200,
      "User-agent: *\n",
      "max-age=60",
    ]);
    expect([answer.header("content-type"), answer.header("x-watershed-reason")]).toEqual([
      "text/plain; charset=utf-8",
      "FIXED_ANSWER",
    ]);
    const empty = await ask(rig, "/gone");
    expect([empty.status, empty.header("content-length")]).toEqual([204, undefined]);
  });

  it("rewrite path and host with captures, and keep the query", async () => {
    await using rig = await start();
    expect((await ask(rig, "/films/7/trailer?hd=1")).status).toBe(200);
    const [seen] = rig.backend.requests;
    expect([seen?.line, seen?.values("host"), seen?.values("x-forwarded-host")]).toEqual([
      "GET /trailer/7?hd=1 HTTP/1.1",
      ["films.test"],
      ["www.stream.test"],
    ]);
  });

  it("edit headers of request and reply", async () => {
    await using rig = await start();
    const answer = await ask(rig, "/edited", "X-Gone: 1", "x-set: a", "X-Set: b", "X-Added: 0");
    const [sent] = rig.backend.requests;
    expect(["x-gone", "x-set", "x-added"].map((name) => sent?.values(name))).toEqual([[], ["ours"], ["0", "one more"]]);
    expect(["x-gone", "x-set", "x-added"].map((name) => answer.header(name))).toEqual([undefined, "ours", "one more"]);
  });

  it("close a route by the config and by the admin API, over a reload", async () => {
    await using rig = await start();
    const closed = await ask(rig, "/closed");
    expect([closed.status, closed.header("retry-after"), closed.header("x-watershed-reason")]).toEqual([
      503,
      "90",
      "MAINTENANCE",
    ]);
    const app = new Hono();
    rig.router.extendAdmin(app);
    expect((await ask(rig, "/shop")).status).toBe(200);
    expect((await app.request("/routes/shop/close", { method: "POST" })).status).toBe(200);
    expect((await ask(rig, "/shop")).status).toBe(503);
    await app.request("/routes/shop/open", { method: "POST" });
    expect((await ask(rig, "/shop")).status).toBe(200);
    expect((await app.request("/routes/nobody/close", { method: "POST" })).status).toBe(404);
  });

  it("abort and delay for drills", async () => {
    await using rig = await start();
    const aborted = await ask(rig, "/abort");
    expect([aborted.status, aborted.header("x-watershed-reason")]).toEqual([503, "FAULT_INJECTED"]);
    expect(rig.backend.requests).toEqual([]);
    const startedMs = performance.now();
    expect((await ask(rig, "/slow")).status).toBe(200);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(20);
    expect((await ask(rig, "/never")).status).toBe(200);
  });

  it("split: nobody goes to a weight of 0", async () => {
    await using rig = await start();
    expect((await ask(rig, "/x")).status).toBe(200);
    expect(rig.router.explain(new URLSearchParams({ url: "/x" }))).toMatchObject({
      pool: "main",
      policies: [{ policy: "split", verdict: "main by the client's hash, of main 1, other 0" }],
    });
  });

  it.each([
    { url: "/moved/x", reason: "REDIRECTED", status: 308 },
    { url: "/closed", reason: "MAINTENANCE", status: 503 },
    { url: `/${"x".repeat(600)}`, reason: "TARGET_TOO_LONG", status: 414 },
  ])("explain says $reason as the request would", async ({ url, reason, status }) => {
    await using rig = await start();
    expect(rig.router.explain(new URLSearchParams({ url }))).toMatchObject({ reason, status });
    expect((await ask(rig, url)).status).toBe(status);
  });
});
