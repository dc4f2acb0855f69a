import type { Hono } from "hono";
import { z } from "zod";
import { cidrSchema } from "#shared/config/schema/common.ts";
import { parseCidr } from "#shared/core/cidr.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { UsageError, assert } from "#shared/core/error.ts";
import { trafficCuts } from "#shared/net/cuts.ts";
import type { Host } from "./service.ts";

const cutsMax = 256; // one for every node of a large stack
const networksMax = 1_024; // every server of a region, one address each
const networks = z.array(cidrSchema).max(networksMax);
const bodySchema = z.strictObject({ from: networks.min(1), except: networks.default([]) });

/** `PUT /cuts/NAME` and `DELETE /cuts/NAME`: drops the packets of some peers, as drills do, and lets them pass again. */
export function addCuts(app: Hono, { log }: Host): void {
  app.put("/cuts/:name", async (c) => {
    const name = c.req.param("name");
    if (!trafficCuts.names.includes(name) && trafficCuts.names.length >= cutsMax)
      throw new UsageError(`there are ${cutsMax} cuts already`);
    const { from, except } = cutOf(await c.req.text());
    trafficCuts.set(name, { from: from.map(cidrOf), except: except.map(cidrOf) });
    log.warn({ cut: name, from, except }, "cut_off");
    return c.json({ cuts: trafficCuts.names });
  });
  app.delete("/cuts/:name", (c) => {
    const name = c.req.param("name");
    if (!trafficCuts.remove(name)) return c.json({ error: `there is no cut ${name}` }, 404);
    log.warn({ cut: name }, "cut_healed");
    return c.json({ cuts: trafficCuts.names });
  });
}

function cutOf(body: string): z.output<typeof bodySchema> {
  try {
    return bodySchema.parse(JSON.parse(body));
  } catch {
    throw new UsageError(`expected {"from": ["10.0.0.0/8", ...], "except": [...]}, up to ${networksMax} networks each`);
  }
}

function cidrOf(text: string): Cidr {
  const cidr = parseCidr(text);
  assert(cidr, `${text} was validated`);
  return cidr;
}
