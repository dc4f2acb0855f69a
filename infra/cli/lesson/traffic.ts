import http from "node:http";
import type { Random } from "#shared/core/random.ts";
import { drawGapMs } from "#shared/traffic/plan.ts";

const answerBytesMax = 65_536; // the facts of a server are below 2 KiB
const settleMs = 3_000; // what is not answered so long after the last request counts as lost

/** One request of a plan. */
export interface Planned {
  /** From the beginning of the run. */
  readonly atMs: number;
  readonly client: number;
  /** "address:port" that it goes to. */
  readonly to: string;
  readonly path: string;
  readonly method?: "GET" | "POST";
}

/** How it ended. */
export interface Ended {
  readonly atMs: number;
  readonly client: number;
  /** From its due time, so that a late sender cannot hide a slow server. */
  readonly tookMs: number;
  /** 0: no answer. */
  readonly status: number;
  /** Which server answered; "" if none. */
  readonly server: string;
  /** Of a server that works jobs off: how many were before this one, and how long it waited. */
  readonly ahead: number;
  readonly waitedMs: number;
}

/** Times of requests that come by chance, so many a second on the average (a Poisson process). */
export function arrivals(random: Random, perSecond: number, durationMs: number): number[] {
  const times: number[] = [];
  for (let atMs = 0; ;) {
    atMs += drawGapMs(perSecond, random);
    if (atMs >= durationMs) return times;
    times.push(atMs);
  }
}

/** Sends every request when it is due, whether those before it have been answered or not. A client keeps its connections.
 * @param addressOf source address of a client
 * @returns in the order of the plan */
export async function play(plan: readonly Planned[], addressOf: (client: number) => string): Promise<Ended[]> {
  const agents = new Map<number, http.Agent>();
  const agentOf = (client: number) => {
    const known = agents.get(client);
    if (known) return known;
    const made = new http.Agent({ keepAlive: true, localAddress: addressOf(client) });
    agents.set(client, made);
    return made;
  };
  const lastMs = Math.max(0, ...plan.map(({ atMs }) => atMs));
  const stop = new AbortController();
  const startedMs = performance.now();
  const timer = setTimeout(() => stop.abort(), lastMs + settleMs);
  try {
    return await Promise.all(plan.map((one) => ask(one, agentOf(one.client), startedMs, stop.signal)));
  } finally {
    clearTimeout(timer);
    for (const agent of agents.values()) agent.destroy();
  }
}

async function ask(planned: Planned, agent: http.Agent, startedMs: number, signal: AbortSignal): Promise<Ended> {
  const dueMs = startedMs + planned.atMs;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs - performance.now())));
  const { status, server, body } = await fetchOnce(planned, agent, signal);
  const { ahead = 0, waitedMs = 0 } = jobOf(body);
  const { atMs, client } = planned;
  return { atMs, client, tookMs: performance.now() - dueMs, status, server, ahead, waitedMs };
}

function fetchOnce(
  { to, path, method = "GET" }: Planned,
  agent: http.Agent,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly server: string; readonly body: string }> {
  return new Promise((resolve) => {
    const lost = () => resolve({ status: 0, server: "", body: "" });
    const request = http.request(`http://${to}${path}`, { agent, method, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        if (body.length < answerBytesMax) body += text;
      });
      response.on("error", lost);
      response.on("end", () => {
        const server = response.headers["x-origin-server"];
        resolve({ status: response.statusCode ?? 0, server: typeof server === "string" ? server : "", body });
      });
    });
    request.on("error", lost);
    request.end();
  });
}

function jobOf(body: string): { readonly ahead?: number; readonly waitedMs?: number } {
  try {
    const facts = JSON.parse(body) as { readonly job?: { readonly ahead: number; readonly waitedMs: number } };
    return facts.job ?? {};
  } catch {
    return {}; // an answer that is no server's own
  }
}
