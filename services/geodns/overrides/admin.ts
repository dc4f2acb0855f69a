import type { Hono } from "hono";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { overrideStates } from "#shared/config/schema/overrides.ts";
import type { OverrideStore } from "./store.ts";

const words = [...overrideStates, "auto"] as const;

/** `POST /regions/REGION/up|down|drain|auto`, for every service or for `?service=` alone; `auto` takes it back. */
export function addRegionRoutes(app: Hono, store: () => OverrideStore, config: () => GeodnsConfig): void {
  app.post("/regions/:region/:state", (c) => {
    const { region } = c.req.param();
    const word = words.find((known) => known === c.req.param("state"));
    if (!word) return c.json({ error: `"${c.req.param("state")}" is none of ${words.join(", ")}` }, 400);
    const service = c.req.query("service");
    const error = whyUnknown(config(), region, service);
    if (error !== undefined) return c.json({ error }, 404);
    store().set({ region, service }, word === "auto" ? undefined : word);
    const { file } = store().status();
    return c.json({ region, service: service ?? null, state: word, kept: file !== null });
  });
}

function whyUnknown(
  { regions, services }: GeodnsConfig,
  region: string,
  service: string | undefined,
): string | undefined {
  const among = (known: object) => Object.keys(known).join(", ") || "none";
  if (service === undefined)
    return Object.hasOwn(regions, region) ? undefined : `there is no region "${region}" (known: ${among(regions)})`;
  const own = Object.hasOwn(services, service) ? services[service] : undefined;
  if (!own) return `there is no service "${service}" (known: ${among(services)})`;
  if (Object.hasOwn(own.regions, region)) return undefined;
  return `the service ${service} has no region "${region}" (known: ${among(own.regions)})`;
}
