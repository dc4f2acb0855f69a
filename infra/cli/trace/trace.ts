import { randomInt, randomUUID } from "node:crypto";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, codeOf, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { Stack } from "../stack/choose.ts";
import { askDns } from "#shared/traffic/dns-client.ts";
import type { DnsAnswer } from "#shared/traffic/dns-client.ts";
import { requestHttp } from "../http-client.ts";
import type { HttpAnswer } from "../http-client.ts";
import { clientOf, targetOf } from "#shared/traffic/client.ts";
import type { Client, Target } from "#shared/traffic/client.ts";
import type { TraceRequest } from "./request.ts";
import { fetchRecord, recordsOfConnections } from "./records.ts";
import type { ConnectionRecord, Recorded } from "./records.ts";
import { dnsDecisionSchema, httpDecisionSchema } from "./decisions.ts";
import type { DnsDecision, HttpDecision } from "./decisions.ts";

const dnsTimeoutMs = 1_000;
const connectTimeoutMs = 1_000;
const answerTimeoutMs = 10_000;
const excerptBytesMax = 4_096; // for people
const wholeBytesMax = 16 * 1_048_576; // more than anybody reads in a terminal

/** One request through the whole stack, and what every tier recorded about it. */
export interface Trace {
  readonly id: string;
  readonly client: Client;
  readonly method: string;
  readonly target: Target;
  /** Null where the URL names an address. */
  readonly dns: DnsStep | null;
  /** The addresses that were tried, in order. */
  readonly tries: readonly Try[];
  readonly http: Recorded<HttpDecision> | null;
  readonly connections: readonly ConnectionRecord[];
  readonly answer: HttpAnswer | null;
}

export interface DnsStep {
  /** The name server that answered; null if none did. */
  readonly server: TopologyNode | null;
  /** Those that did not, in the order in which they were asked. */
  readonly failures: readonly { readonly server: TopologyNode; readonly reason: Reason; readonly message: string }[];
  readonly answer: DnsAnswer | null;
  readonly tookMs: number;
  readonly record: Recorded<DnsDecision> | null;
}

/** One try of the client at one address. A further try is a retry of the client, not of the stack. */
export interface Try {
  readonly address: string;
  readonly router: string | null;
  readonly outcome: Reason;
  readonly message: string | null;
  readonly tookMs: number;
}

/** Asks GeoDNS as a client would, sends the request to the addresses it was given, and collects what was recorded.
 * @throws {UsageError} if the request makes no sense */
export async function traceRequest(
  { topology, nodes, clientAddress }: Pick<Stack, "topology" | "nodes" | "clientAddress">,
  request: TraceRequest,
): Promise<Trace> {
  const id = randomUUID();
  const client = clientOf(topology, request.from, clientAddress);
  const target = targetOf(topology, request.url);
  const dns = target.address === null ? await resolve(nodes, client, target.host, id) : null;
  const addresses = target.address === null ? (dns?.answer?.addresses ?? []) : [target.address];
  const { tries, answer } = await send(nodes, client, target, request, addresses, id);
  const last = tries.at(-1);
  const router = nodes.find((node) => node.name === last?.router);
  const http = router ? await fetchRecord(router, id, httpDecisionSchema) : null;
  const connections = http?.decision ? await recordsOfConnections(nodes, http.decision) : [];
  return { id, client, method: request.method, target, dns, tries, http, connections, answer };
}

/** Asks one name server after the other, as a resolver does, until one answers. */
async function resolve(
  nodes: readonly TopologyNode[],
  client: Client,
  name: string,
  traceId: string,
): Promise<DnsStep> {
  const failures: DnsStep["failures"][number][] = [];
  const startedMs = performance.now();
  for (const server of nodes.filter((node) => node.service === "geodns")) {
    const listener = parseSocketAddress(server.listens.find(({ protocol }) => protocol !== "tcp")?.address ?? "");
    if (!listener) continue;
    const query = { name, type: "A" as const, id: randomInt(65_536), traceId, subnet: client.subnet ?? undefined };
    try {
      const answer = await askDns(query, listener, { localAddress: client.localAddress, timeoutMs: dnsTimeoutMs });
      const tookMs = performance.now() - startedMs;
      return { server, failures, answer, tookMs, record: await fetchRecord(server, traceId, dnsDecisionSchema) };
    } catch (error) {
      failures.push({ server, reason: reasonOf(error), message: messageOf(error) });
    }
  }
  return { server: null, failures, answer: null, tookMs: performance.now() - startedMs, record: null };
}

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]); // RFC 9110 §9.2.1

/** Tries the addresses in order, as browsers do: the next one if nothing was sent, or nothing can have been changed. */
async function send(
  nodes: readonly TopologyNode[],
  client: Client,
  target: Target,
  request: TraceRequest,
  addresses: readonly string[],
  id: string,
): Promise<{ tries: Try[]; answer: HttpAnswer | null }> {
  const tries: Try[] = [];
  for (const host of addresses) {
    const port = target.port ?? routerPort(nodes, host);
    const about = { address: `${host}:${port}`, router: nodes.find((node) => node.address === host)?.name ?? null };
    const startedMs = performance.now();
    try {
      const answer = await requestHttp({
        host,
        port,
        method: request.method,
        target: target.path,
        headers: headersOf(request, target, id),
        body: request.body,
        localAddress: client.localAddress,
        connectTimeoutMs,
        timeoutMs: answerTimeoutMs,
        bodyKeptBytesMax: request.wholeBody ? wholeBytesMax : excerptBytesMax,
      });
      tries.push({ ...about, outcome: "OK", message: null, tookMs: performance.now() - startedMs });
      return { tries, answer };
    } catch (error) {
      tries.push({
        ...about,
        outcome: reasonOf(error),
        message: messageOf(error),
        tookMs: performance.now() - startedMs,
      });
      if (!(error instanceof TrafficError && error.retryable) && !safeMethods.has(request.method)) break;
    }
  }
  return { tries, answer: null };
}

/** The port of the router at an address; of the first router where that is none. */
function routerPort(nodes: readonly TopologyNode[], host: string): number {
  const routers = nodes.filter((node) => node.service === "l7-router");
  const router = routers.find((node) => node.address === host) ?? routers[0];
  return parseSocketAddress(router?.listens[0]?.address ?? "")?.port ?? 80;
}

function headersOf(request: TraceRequest, target: Target, id: string): (readonly [string, string])[] {
  const given = new Set(request.headers.map(([name]) => name.toLowerCase()));
  const own: (readonly [string, string])[] = [
    ["Host", target.hostHeader],
    ["User-Agent", "watershed-trace"],
    ["Accept", "*/*"],
  ];
  const length = request.body?.length ?? (request.method === "POST" || request.method === "PUT" ? 0 : undefined);
  if (length !== undefined) own.push(["Content-Length", String(length)]);
  return [
    ...own.filter(([name]) => !given.has(name.toLowerCase())),
    ...request.headers,
    ["X-Watershed-Trace", id],
    ["Connection", "close"],
  ];
}

function reasonOf(error: unknown): Reason {
  if (error instanceof TrafficError) return error.reason;
  return codeOf(error) === "" ? "UPSTREAM_INVALID" : "CONNECT_FAILED";
}
