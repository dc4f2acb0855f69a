import type { Context, Hono } from "hono";
import { parseDurationMs } from "#shared/core/duration.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Drill, OriginServer } from "./server.ts";

const delayMsMax = 60_000; // longer than any time limit of the stack

/** Adds to the admin API what breaks servers and heals them. */
export function addDrills(app: Hono, servers: () => readonly OriginServer[]): void {
  const all = (c: Context, chosen: readonly OriginServer[]) =>
    c.json({ servers: chosen.map((server) => server.status()) });

  app.get("/servers", (c) => all(c, servers()));
  app.get("/servers/:name", (c) => {
    const server = find(servers(), c.req.param("name"));
    return server ? c.json(server.status(true)) : c.json({ error: noServer(servers(), c.req.param("name")) }, 404);
  });
  app.post("/servers/heal", async (c) => {
    await applyAll(servers(), { state: "running" });
    return all(c, servers());
  });
  app.post("/servers/:name/:drill", async (c) => {
    const server = find(servers(), c.req.param("name"));
    if (!server) return c.json({ error: noServer(servers(), c.req.param("name")) }, 404);
    await server.apply(drillOf(c.req.param("drill"), c.req.query("delay")));
    return c.json(server.status(true));
  });
  app.post("/services/:service/:drill", async (c) => {
    const service = c.req.param("service");
    const chosen = servers().filter((server) => server.config.service === service);
    if (chosen.length === 0) return c.json({ error: noService(servers(), service) }, 404);
    await applyAll(chosen, drillOf(c.req.param("drill"), c.req.query("delay")));
    return all(c, chosen);
  });
}

/** @throws {UsageError} for a word that is no drill, or a delay that is none */
function drillOf(word: string, delay: string | undefined): Drill {
  if (word === "stop") return { state: "stopped" };
  if (word === "hang") return { state: "hung" };
  if (word === "heal") return { state: "running" };
  if (word !== "slow") throw new UsageError(`"${word}" is none of stop, hang, slow, heal`);
  const delayMs = parseDurationMs(delay ?? "");
  if (delayMs === undefined || delayMs <= 0 || delayMs > delayMsMax) {
    throw new UsageError("slow needs ?delay=, a duration up to 60s such as 500ms");
  }
  return { state: "slow", delayMs };
}

/** Applies it to every server, also behind one that fails. @throws {UsageError} of the first that failed */
async function applyAll(servers: readonly OriginServer[], drill: Drill): Promise<void> {
  const results = await Promise.allSettled(servers.map((server) => server.apply(drill)));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function find(servers: readonly OriginServer[], name: string): OriginServer | undefined {
  return servers.find((server) => server.config.name === name);
}

function noServer(servers: readonly OriginServer[], name: string): string {
  return `there is no server ${name} (known: ${servers.map((server) => server.config.name).join(", ")})`;
}

function noService(servers: readonly OriginServer[], service: string): string {
  const known = [...new Set(servers.map((server) => server.config.service))].join(", ");
  return `there is no server of service ${service} here (known: ${known})`;
}
