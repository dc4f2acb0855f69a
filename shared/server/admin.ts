import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import type net from "node:net";
import { balanceNames } from "#shared/config/schema/common.ts";
import type { BalanceName } from "#shared/config/schema/common.ts";
import { parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import type { AdminPool, AdminState } from "#shared/endpoint/status.ts";
import { ConnectionLimit } from "#shared/net/connection-limit.ts";
import { Cuts } from "#shared/net/cuts.ts";
import { listenServer } from "#shared/net/listen.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import { cutAfterMsOf } from "./admin-drain.ts";
import { addCuts } from "./admin-cuts.ts";
import { guard } from "./admin-guard.ts";
import { streamEvents } from "./admin-events.ts";
import type { Host } from "./service.ts";

/** What the admin API asks of the lifecycle. */
export interface AdminNode {
  readonly host: Host;
  ready(): { readonly ready: boolean; readonly reason: string };
  status(): Record<string, unknown> | Promise<Record<string, unknown>>;
  explain(query: URLSearchParams): Record<string, unknown>;
  findDecision(id: string): Decision | undefined | Promise<Decision | undefined>;
  pools(): Iterable<AdminPool>;
  reload(): Promise<{ readonly revision: number }>;
  drain(): void;
  /** In the text format of Prometheus. */
  metrics(): Promise<string>;
  /** A change was made: the other processes of the node make it too. */
  onChange(request: { readonly method: string; readonly path: string; readonly body: string }): Promise<void>;
}

const connectionsMax = 64; // of their own, so that a node that is full of traffic still answers its operator
const weightMax = 1_000; // as in the config
const bodyBytesMax = 64 * 1_024; // commands are a few words
/** In two sets of words: those of every tier, and those that regions of DNS have too. */
const adminStates: Readonly<Record<string, AdminState>> = {
  drain: "draining",
  enable: "enabled",
  disable: "disabled",
  up: "up",
  down: "disabled",
  auto: "enabled",
};

/** The admin listener of a node. It is bound before its service starts, so that a second instance of a node ends there. */
export interface AdminListener extends TcpListener {
  /** Lets the service add its own routes, once it is there. */
  extend(extendAdmin: (app: Hono) => void): void;
}

/** Starts the admin listener of a node. Without a token it binds nothing but loopback.
 * @throws {UsageError} if the address is not loopback and no token is set, or the port is taken */
export async function listenAdmin(node: AdminNode, address: string, token: string | undefined): Promise<AdminListener> {
  if (!token && !isLoopback(address))
    throw new UsageError(
      `admin: ${address} is not loopback: set WATERSHED_ADMIN_TOKEN or WATERSHED_ADMIN_TOKEN_FILE, or bind 127.0.0.1 or [::1]`,
    );
  let app = adminApp(node, token);
  const server = createAdaptorServer({ fetch: (request, bindings) => app.fetch(request, bindings) }) as net.Server;
  // No cut of its own is ever made: who is cut off can still be looked at, and healed.
  const listener = await listenServer(server, address, new ConnectionLimit(connectionsMax), undefined, new Cuts());
  return { ...listener, extend: (extendAdmin) => (app = adminApp(node, token, extendAdmin)) };
}

function isLoopback(address: string): boolean {
  const host = parseSocketAddress(address)?.host;
  const bytes = parseAddress(host ?? "");
  return bytes?.length === 4 ? bytes[0] === 127 : host === "::1";
}

/** The admin API, the same on every service. */
export function adminApp(node: AdminNode, token: string | undefined, extendAdmin?: (app: Hono) => void): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    if (error instanceof UsageError) return c.json({ error: error.message }, 400);
    if (error instanceof HTTPException) return c.json({ error: error.message }, error.status); // 413 of bodyLimit
    node.host.log.error({ error: messageOf(error), path: c.req.path }, "admin_failed");
    return c.json({ error: "internal error; see the log" }, 500);
  });
  app.notFound((c) => c.json({ error: `there is no ${c.req.method} ${c.req.path}` }, 404));
  app.use(guard(token));
  app.use(bodyLimit({ maxSize: bodyBytesMax }));
  app.use(passChangesOn(node));
  addReads(app, node);
  addChanges(app, node);
  addCuts(app, node.host);
  extendAdmin?.(app);
  return app;
}

/** What was changed here is changed in every process of the node. A reload finds its way by itself. */
function passChangesOn(node: AdminNode): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.method === "GET" || c.req.path === "/reload") return next();
    const body = await c.req.text(); // kept by the request: whoever reads it next gets the same
    await next();
    const { pathname, search } = new URL(c.req.url);
    if (c.res.ok) await node.onChange({ method: c.req.method, path: pathname + search, body });
  };
}

function addReads(app: Hono, node: AdminNode): void {
  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", (c) => {
    const { ready, reason } = node.ready();
    return c.json({ ready, reason }, ready ? 200 : 503);
  });
  app.get("/status", async (c) => c.json(await node.status()));
  app.get("/explain", (c) => c.json(node.explain(new URL(c.req.url).searchParams)));
  app.get("/events", (c) => streamEvents(c, node.host));
  app.get("/metrics", async (c) => {
    return c.text(await node.metrics(), 200, {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
    });
  });
  app.get("/decisions/:id", async (c) => {
    const id = c.req.param("id");
    const decision = node.host.decisions.find(id) ?? (await node.findDecision(id));
    return decision ? c.json(decision) : c.json({ error: `no decision is recorded under ${id}` }, 404);
  });
}

function addChanges(app: Hono, node: AdminNode): void {
  app.post("/reload", async (c) => c.json(await node.reload()));
  app.post("/drain", (c) => {
    node.drain();
    return c.json({ state: "draining" });
  });
  app.post("/pools/:pool/endpoints/:address/:action", async (c) => {
    const { address, action } = c.req.param();
    const state = Object.hasOwn(adminStates, action) ? adminStates[action] : undefined;
    if (!state) throw new UsageError(`"${action}" is none of ${Object.keys(adminStates).join(", ")}`);
    const pool = findPool(node, c.req.param("pool"));
    if (!pool) return c.json({ error: noPool(node, c.req.param("pool")) }, 404);
    const query = new URL(c.req.url).searchParams;
    const cutAfterMs = state === "draining" ? cutAfterMsOf(await c.req.text(), query) : undefined;
    if (!pool.setEndpointState(address, state, cutAfterMs))
      return c.json({ error: `pool ${pool.name} has no endpoint ${address}` }, 404);
    node.host.log.info({ pool: pool.name, endpoint: address, state, cutAfterMs }, "endpoint_set");
    return c.json(pool.status().endpoints.find((endpoint) => endpoint.address === address) ?? { address, state });
  });
  app.put("/pools/:pool/endpoints/:address/weight", async (c) => {
    const { address } = c.req.param();
    const pool = findPool(node, c.req.param("pool"));
    if (!pool) return c.json({ error: noPool(node, c.req.param("pool")) }, 404);
    const weight = weightOf(await c.req.text());
    if (!pool.setEndpointWeight(address, weight))
      return c.json({ error: `pool ${pool.name} has no endpoint ${address}` }, 404);
    node.host.log.info({ pool: pool.name, endpoint: address, weight }, "weight_set");
    return c.json(pool.status().endpoints.find((endpoint) => endpoint.address === address) ?? { address, weight });
  });
  app.put("/pools/:pool/balance", async (c) => {
    const pool = findPool(node, c.req.param("pool"));
    if (!pool) return c.json({ error: noPool(node, c.req.param("pool")) }, 404);
    pool.setBalance(balanceOf(await c.req.text()));
    node.host.log.info({ pool: pool.name, balance: pool.status().balance }, "balance_set");
    return c.json(pool.status());
  });
}

/** The body of a change of weight: `{"weight": 3}`, or the bare number. */
function weightOf(body: string): number {
  let value: unknown;
  try {
    const json: unknown = JSON.parse(body);
    value = typeof json === "object" && json !== null && "weight" in json ? json.weight : json;
  } catch {
    // Refused below.
  }
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= weightMax) return value;
  throw new UsageError(`expected {"weight": 1..${weightMax}}`);
}

/** The body of `PUT /pools/POOL/balance`: `{"balance": "random"}`, or the bare word. */
function balanceOf(body: string): BalanceName {
  let word: unknown = body.trim();
  try {
    const json: unknown = JSON.parse(body);
    word = typeof json === "object" && json !== null && "balance" in json ? json.balance : json;
  } catch {
    // Not JSON: the bare word.
  }
  const name = balanceNames.find((known) => known === word);
  if (!name) throw new UsageError(`expected {"balance": one of ${balanceNames.join(", ")}}`);
  return name;
}

function findPool(node: AdminNode, name: string): AdminPool | undefined {
  return [...node.pools()].find((pool) => pool.name === name);
}

function noPool(node: AdminNode, name: string): string {
  const known = [...node.pools()].map((pool) => pool.name).join(", ");
  return `there is no pool ${name} (known: ${known || "none"})`;
}
