import { TrafficError } from "#shared/core/error.ts";
import type { UpstreamAnswer, UpstreamUpgrade } from "./engine/engine.ts";
import { valueOf } from "./headers.ts";
import { incomingHeaders } from "./outgoing.ts";
import { passableTrailers } from "./policy/hop-by-hop.ts";
import type { Ride } from "./ride.ts";
import { splice } from "./splice.ts";
import type { TryResult } from "./upstream/try.ts";

/** Carries a server's answer to the client, or the connection of an upgrade both ways, to its end.
 * @throws {TrafficError} if it did not arrive whole */
export async function giveBack(ride: Ride, { answer, exchange }: TryResult): Promise<void> {
  if (answer.kind === "upgrade") return join(ride, answer);
  try {
    await stream(ride, answer);
  } catch (error) {
    exchange.cancel(error as Error);
    throw error;
  }
  // Answered before the request was whole: the server waits for the rest, which nobody will send.
  if (!ride.downstream.isWhole)
    exchange.cancel(new TrafficError("CLIENT_GONE", "answered early", { origin: "downstream" }));
}

async function stream(ride: Ride, answer: UpstreamAnswer): Promise<void> {
  const { site, downstream, head, passage, closes } = ride;
  const { timeouts } = site.snapshot.config;
  const { status, statusText, body } = answer;
  passage.status = status;
  const isEvents = valueOf(answer.headers, "content-type")?.startsWith("text/event-stream") ?? false;
  const limits = {
    clock: site.host.clock,
    silentMs: isEvents ? timeouts.idleMs : timeouts.bodyMs, // Events may be far apart.
    blockedMs: timeouts.idleMs,
  };
  const headers = incomingHeaders(answer.headers, ownLines(ride), status);
  const trailers = () => (head.version === "1.0" ? [] : passableTrailers(answer.trailers()));
  await downstream.stream({ status, statusText, headers, body, trailers }, closes(), limits);
}

async function join(ride: Ride, answer: UpstreamUpgrade): Promise<void> {
  const { site, downstream, passage } = ride;
  passage.status = 101;
  const headers = incomingHeaders(answer.headers, ownLines(ride), 101);
  const client = downstream.switchProtocols([...headers, "Connection", "Upgrade", "Upgrade", "websocket"]);
  const limits = { clock: site.host.clock, idleMs: site.snapshot.config.timeouts.idleMs };
  passage.reason = await splice(client, answer.socket, answer.first, limits);
}

function ownLines({ site, forwarded }: Ride): { via: string; requestId: string } {
  return { via: `1.1 ${site.viaName}`, requestId: forwarded.requestId };
}
