import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { Choice } from "#shared/endpoint/status.ts";
import { printable } from "../table.ts";
import { formatTook, shortenAddresses } from "../text.ts";
import type { DnsDecision } from "./decisions.ts";
import type { Trace } from "./trace.ts";

/** The way of a request in three lines, one a step: client → GeoDNS → router → forwarder and server. Detours (a name
 * server or address that did not answer, an attempt that failed) are lines of their own. */
export function wayLines(trace: Trace): string[] {
  const lines = [...dnsLines(trace), ...tryLines(trace), ...routerLines(trace), ...forwarderLines(trace)];
  return lines.map(printable);
}

function dnsLines({ client, dns, target }: Trace): string[] {
  const country = client.country ?? dns?.record?.decision?.place?.country;
  const who = `client ${client.address}${country ? ` (${country})` : ""}`;
  const via = client.subnet ? `, as a client subnet from ${client.localAddress}` : "";
  if (!dns) return [`${who} → ${target.host}, which needs no name server`];
  const failed = dns.failures.map(
    ({ server, reason }) => `  ✗ ${server.name} ${reason}, the next name server is asked`,
  );
  if (!dns.answer || !dns.server) return [`${who} → no name server answers for ${target.host}`, ...failed];
  const { addresses, rcode } = dns.answer;
  const region = dns.record?.decision?.region;
  const what = addresses.length > 0 ? shortenAddresses(addresses) : `${rcode}, no address`;
  const why = dnsReason(dns.record?.decision ?? undefined, dns.record?.missing ?? null);
  const way = `${who} → ${dns.server.name} ${target.host} → ${region ? `${region} ` : ""}${what}`;
  return [`${way} (${why}${via})`, ...failed];
}

/** "continent EU, scope /16", "continent EU, REGION_FAILOVER, scope /16" */
function dnsReason(decision: DnsDecision | undefined, missing: string | null): string {
  if (!decision) return `no record: ${missing}`;
  const parts = [decision.rule];
  if (decision.reason !== "OK") parts.push(decision.reason);
  if (decision.regions.length > 0) parts.push(`scope /${decision.scope}`);
  return parts.join(", ");
}

/** Addresses that did not answer: retries of the client, not of the stack. */
function tryLines({ tries, answer }: Trace): string[] {
  const failed = tries.filter(({ outcome }) => outcome !== "OK");
  return failed.map(({ address, router, outcome, tookMs }, i) => {
    const next = answer || i < failed.length - 1 ? ": the client tries the next address" : "";
    return `  ✗ ${router ?? address} ${outcome} after ${formatTook(tookMs)}${next}`;
  });
}

function routerLines({ tries, http, target, answer }: Trace): string[] {
  const last = tries.at(-1);
  if (!last || !answer) return [];
  const start = `  → ${last.router ?? last.address}  ${target.path}`;
  const decision = http?.decision;
  if (!decision)
    return [`${start} (no record: ${http?.missing ?? "it is no router of this topology"}) → ${endOf(answer)}`];
  const choice = decision.attempts.at(-1)?.choice;
  if (!decision.pool) return [`${start} → ${decision.reason ?? "no pool"} → ${endOf(answer)}`];
  const way = `${start} → ${decision.pool}`;
  if (!choice?.address) return [`${way} → ${choice?.reason ?? decision.reason ?? "no attempt"} → ${endOf(answer)}`];
  const failed = decision.attempts.slice(0, -1).map(({ choice: before, outcome, tookMs }) => {
    const then = outcome === "HEDGED" ? "another answered first" : "the router tries another";
    return `    ✗ ${before?.name ?? "nobody"} ${outcome} after ${formatTook(tookMs)}: ${then}`;
  });
  return [`${way} → ${choice.zone ? `zone ${choice.zone}` : choice.name} (${choiceReason(choice, true)})`, ...failed];
}

function forwarderLines({ http, connections, answer }: Trace): string[] {
  const attempts = http?.decision?.attempts ?? [];
  const last = attempts.at(-1);
  if (!last?.choice?.address || !answer) return [];
  const forwarder = last.choice.name ?? last.choice.address;
  const found = connections.find(({ attempt }) => attempt === attempts.length);
  const decision = found?.record?.decision;
  if (!decision) {
    const why = found?.record ? found.record.missing : last.connection ? "it is no forwarder" : "no connection";
    return [`  → ${forwarder} (no record: ${why}) → ${endOf(answer)}`];
  }
  const choice = decision.attempts.at(-1)?.choice;
  const failed = decision.attempts.slice(0, -1).map(({ choice: before, outcome, tookMs }) => {
    const after = tookMs === null ? "" : ` after ${formatTook(tookMs)}`;
    return `    ✗ ${before?.name ?? "nobody"} ${outcome}${after}: the forwarder tries another`;
  });
  if (!choice?.address)
    return [`  → ${forwarder} → ${choice?.reason ?? decision.reason ?? "no server"} → ${endOf(answer)}`];
  const host = parseSocketAddress(choice.address)?.host ?? choice.address;
  const inKernel = decision.mode === "kernel" ? ", in the kernel" : "";
  return [
    ...failed,
    `  → ${forwarder} → ${choice.name} ${host} (${choiceReason(choice, false)}${inKernel}) → ${endOf(answer)}`,
  ];
}

/** "least-connections, 0 active", "round-robin, ZONE_FAILOVER" */
function choiceReason(choice: Choice, withActive: boolean): string {
  const parts: string[] = [choice.balance];
  if (withActive) parts.push(`${choice.active} active`);
  if (choice.reason !== "OK") parts.push(choice.reason);
  return parts.join(", ");
}

function endOf(answer: NonNullable<Trace["answer"]>): string {
  return `${answer.status}${answer.complete ? "" : ", cut"} in ${formatTook(answer.tookMs)}`;
}
