import { randomBytes } from "node:crypto";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Downstream } from "./downstream.ts";
import { giveBack } from "./give-back.ts";
import { readHead } from "./head.ts";
import type { RequestHead } from "./head.ts";
import { answerOwn, ownAnswerOf } from "./own-answers.ts";
import { Passage } from "./passage.ts";
import { forwardedHeaders, isLoop } from "./policy/forwarded-headers.ts";
import { refusal, refusalOf } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { reply } from "./reply.ts";
import type { Ride, Site } from "./ride.ts";
import { matchRoute } from "./route/match.ts";
import { send } from "./send.ts";
import type { RoutedPool } from "./snapshot.ts";

/** The way of a request. Never rejects; resolves when its answer was handed over, or there is nobody to answer.
 * @param last the connection ends after the answer */
export async function forward(downstream: Downstream, site: Site, last: boolean): Promise<void> {
  const { config } = site.snapshot;
  const passage = new Passage(downstream, site.host);
  let endpoint: Endpoint | undefined;
  try {
    const read = readHead(downstream.head, config.limits);
    if (!read.ok) return refuse(downstream, passage, read.refusal, true);
    const ride = identify(read.head, downstream, site, passage, last);
    if (answerHere(ride)) return;
    const admitted = admit(ride);
    if ("status" in admitted) return refuse(downstream, passage, admitted, ride.closes());
    const result = await send(ride, admitted);
    endpoint = result.connection.endpoint;
    await giveBack(ride, result);
  } catch (error) {
    fail(downstream, passage, site, error);
  } finally {
    endpoint?.end();
    passage.close({ endpoint: endpoint?.name, accessLog: config.accessLog });
  }
}

/** Who asks, and what the server will be told of it. */
function identify(head: RequestHead, downstream: Downstream, site: Site, passage: Passage, last: boolean): Ride {
  const forwarded = forwardedHeaders({
    headers: head.headers,
    peer: downstream.peer,
    isTrusted: site.snapshot.isTrusted,
    scheme: "http",
    authority: head.authority,
    version: head.version,
    viaName: site.viaName,
    randomHex: (bytes) => randomBytes(bytes).toString("hex"),
  });
  passage.path = head.path;
  passage.requestId = forwarded.requestId;
  passage.client = forwarded.client;
  const closes = () => last || head.asksToUpgrade || site.isDraining() || !downstream.isWhole;
  return { site, downstream, head, forwarded, passage, closes };
}

/** Answers what the router answers itself.
 * @returns whether it did */
function answerHere({ site, downstream, head, forwarded, passage, closes }: Ride): boolean {
  const kind = ownAnswerOf(head);
  if (!kind) return false;
  const own = ["X-Request-Id", forwarded.requestId];
  const given = answerOwn(kind, downstream, { unhealthy: site.unhealthy(), own, close: closes() });
  passage.route = kind;
  passage.status = given.status;
  passage.reason = given.reason;
  return true;
}

/** The pool that the request goes to, or why it goes nowhere. */
function admit({ site, head, passage }: Ride): RoutedPool | Refusal {
  const { table, pools, config } = site.snapshot;
  if (isLoop(head.headers, site.viaName)) return refusal(508, "LOOP", "this router has already forwarded the request");
  const route = matchRoute(table, head);
  const routed = route && pools.get(route.pool);
  if (!routed) return refusal(404, "NO_ROUTE", "no route matches");
  passage.take(route);
  if (head.framing.kind === "length" && head.framing.bytes > config.limits.bodyBytes)
    return refusal(413, "BODY_TOO_LARGE", "the body is too large");
  return routed;
}

function refuse(downstream: Downstream, passage: Passage, refused: Refusal, close: boolean): void {
  passage.status = refused.status;
  passage.reason = refused.reason;
  passage.isOwnReply = true;
  reply(downstream, refused, passage.requestId === "" ? [] : ["X-Request-Id", passage.requestId], close);
}

/** Something went wrong: answers if nothing was, and never ends half an answer cleanly. */
function fail(downstream: Downstream, passage: Passage, site: Site, thrown: unknown): void {
  const error: unknown = downstream.signal.aborted ? downstream.signal.reason : thrown;
  const reason: Reason = error instanceof TrafficError ? error.reason : "UPSTREAM_INVALID";
  if (!(error instanceof TrafficError))
    site.host.log.error({ error: messageOf(error), requestId: passage.requestId }, "request_failed");
  if (reason === "CLIENT_GONE" || downstream.headSent) {
    passage.reason = reason;
    if (passage.status === 0) passage.status = 499; // as nginx says in its log: the client left without an answer
    downstream.cut();
    return;
  }
  refuse(downstream, passage, refusalOf(error), site.isDraining() || !downstream.isWhole);
}
