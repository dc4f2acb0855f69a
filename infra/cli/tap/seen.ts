import { z } from "zod";
import type { ServiceName } from "#shared/topology/topology.ts";
import { formatBytes } from "../text.ts";
import { printable } from "../table.ts";

/** One decision, as far as it can be filtered and shown on a line. */
export interface Seen {
  /** Of the client; null: it must be looked up, or nobody knows. */
  readonly country: string | null;
  /** Address of the client, as far as the tier knows it. */
  readonly client: string;
  readonly route: string | null;
  readonly pool: string | null;
  /** Status of HTTP, or rcode of DNS; null for a connection. */
  readonly status: string | null;
  readonly reason: string;
  readonly text: string;
}

/** What somebody wants to see; each list that is not empty must hold what the decision says. */
export interface TapFilters {
  /** Codes such as "DE". */
  readonly country: readonly string[];
  readonly route: readonly string[];
  readonly pool: readonly string[];
  /** "404", "5xx" or an rcode. */
  readonly status: readonly string[];
  readonly reason: readonly string[];
}

const dnsSchema = z.object({
  name: z.string(),
  type: z.string(),
  client: z.string(),
  ecs: z.string().nullable(),
  place: z.object({ country: z.string().nullable() }).nullable(),
  region: z.string().nullable(),
  rcode: z.string(),
  answer: z.array(z.string()),
  rule: z.string(),
  reason: z.string(),
});

const attemptSchema = z.object({
  choice: z.object({ name: z.string().nullable(), address: z.string().nullable() }).nullish(),
});
const httpSchema = z.object({
  client: z.string(),
  method: z.string(),
  path: z.string(),
  routeName: z.string(),
  pool: z.string().nullable(),
  attempts: z.array(attemptSchema),
  status: z.number().nullable(),
  reason: z.string(),
  tookMs: z.number(),
});

const tcpSchema = z.object({
  client: z.string(),
  pool: z.string(),
  server: z.string().nullable(),
  serverName: z.string().nullable(),
  ageMs: z.number(),
  bytesUp: z.number(),
  bytesDown: z.number(),
  reason: z.string().nullable(),
});

const seenOf: Partial<Record<ServiceName, (decision: unknown) => Seen>> = {
  geodns(decision) {
    const { name, type, client, ecs, place, region, rcode, answer, rule, reason } = dnsSchema.parse(decision);
    const country = place?.country ?? null;
    const records = rcode === "NOERROR" ? answer.join(" ") || "no records" : rcode;
    const where = region === null ? "" : `${region}  `;
    return {
      country,
      client: (ecs ?? client).replace(/\/.*/, ""),
      route: null,
      pool: null,
      status: rcode,
      reason,
      text: `${ecs ?? client} ${country ?? "-"}  ${name} ${type} → ${where}${records}  ${reason}: ${rule}`,
    };
  },
  "l7-router"(decision) {
    const { client, method, path, routeName, pool, attempts, status, reason, tookMs } = httpSchema.parse(decision);
    const last = attempts.at(-1)?.choice;
    const tries = attempts.length > 1 ? `, ${attempts.length} tries` : "";
    const server = last ? ` ${last.name ?? last.address ?? "nobody"}` : "";
    return {
      country: null,
      client,
      route: routeName,
      pool,
      status: status === null ? null : String(status),
      reason,
      text: `${client}  ${method} ${path} → route ${routeName}, ${pool ?? "no pool"}${server}  ${status ?? "no reply"} ${reason}  ${tookMs} ms${tries}`,
    };
  },
  "l4-forwarder"(decision) {
    const { client, pool, server, serverName, ageMs, bytesUp, bytesDown, reason } = tcpSchema.parse(decision);
    const bytes = `${formatBytes(bytesUp)} up, ${formatBytes(bytesDown)} down`;
    return {
      country: null,
      client: client.replace(/:\d+$/, ""),
      route: null,
      pool,
      status: null,
      reason: reason ?? "OK",
      text: `${client} → ${pool} ${serverName ?? server ?? "nobody"}  ${reason ?? "OK"}  ${bytes}, ${ageMs} ms`,
    };
  },
};

/** @returns undefined for what is no decision of that tier: it is of another version */
export function readDecision(service: ServiceName, decision: unknown): Seen | undefined {
  try {
    const seen = seenOf[service]?.(decision);
    return seen && { ...seen, text: printable(seen.text) };
  } catch {
    return undefined;
  }
}

/** Whether a decision is wanted. A tier that does not know of what is asked for is not: DNS has no routes. */
export function isWanted(seen: Seen, filters: TapFilters): boolean {
  return (
    holds(filters.country, seen.country) &&
    holds(filters.route, seen.route) &&
    holds(filters.pool, seen.pool) &&
    holds(filters.reason, seen.reason) &&
    (filters.status.length === 0 || filters.status.some((wanted) => isOfStatus(wanted, seen.status)))
  );
}

function holds(wanted: readonly string[], value: string | null): boolean {
  return wanted.length === 0 || (value !== null && wanted.some((one) => one.toLowerCase() === value.toLowerCase()));
}

function isOfStatus(wanted: string, status: string | null): boolean {
  if (status === null) return false;
  if (/^\dxx$/i.test(wanted)) return /^\d{3}$/.test(status) && status.startsWith(wanted.charAt(0));
  return wanted.toLowerCase() === status.toLowerCase();
}
