import { describe } from "vitest";
import { engines } from "#l7-router/engine/registry.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { describeAnswers } from "./engine/answers.ts";
import { describeBodyRoutes } from "./engine/body-routes.ts";
import { describeBulk } from "./engine/bulk.ts";
import { describeClients } from "./engine/clients.ts";
import { describeConnections } from "./engine/connections.ts";
import { describeCuts } from "./engine/cuts.ts";
import { describeDrains } from "./engine/drains.ts";
import { describeExchanges } from "./engine/exchanges.ts";
import { describeFailures } from "./engine/failures.ts";
import { describeHedges } from "./engine/hedges.ts";
import { describeIntermediary } from "./engine/intermediary.ts";
import { describeMirrors } from "./engine/mirrors.ts";
import { describeOwnReplies } from "./engine/own-replies.ts";
import { describeReloads } from "./engine/reloads.ts";
import { describeRefusals } from "./engine/refusals.ts";
import { describeRequests } from "./engine/requests.ts";
import { describeTracing } from "./engine/tracing.ts";
import { describeUpgrades } from "./engine/upgrades.ts";

/** What an engine does not hold, each with its reason. */
const skips: Record<EngineName, ReadonlyMap<string, string>> = {
  wire: new Map([
    [
      "more pipelined requests than one may hold: those that fit are answered, then the connection ends",
      "it reads on only when there is room, so none is turned away; its own test holds that",
    ],
  ]),
  "http-proxy": new Map([
    ["two spaces before the target", "node:http's parser takes them for one; what is forwarded has one"],
    [
      "a chunk size of very many zeros",
      "its parser takes zeros without end; the limit on a body that stands still ends it",
    ],
    [
      "cut: a method that the parser does not know",
      "its parser stops within the method, so whether it is a token is open",
    ],
    ["cut: a target longer than a head", "its parser says only that the head is too large: 431"],
    ...[
      "a transfer coding that is not chunked",
      "chunked that is not the only coding",
      "a coding that only ends in chunked",
      "Transfer-Encoding in HTTP/1.0",
    ].map(
      (name) => [`cut: ${name}`, "node:http reads no more after an error: bytes that follow end in a reset"] as const,
    ),
  ]),
};

for (const engine of Object.keys(engines) as EngineName[]) {
  describe(`engine ${engine}`, () => {
    describeRefusals(engine, skips[engine]);
    describeRequests(engine, skips[engine]);
    describeBodyRoutes(engine);
    describeDrains(engine);
    describeReloads(engine);
    describeMirrors(engine);
    describeOwnReplies(engine);
    describeAnswers(engine);
    describeFailures(engine);
    describeHedges(engine);
    describeTracing(engine);
    describeConnections(engine);
    describeExchanges(engine);
    describeClients(engine);
    describeUpgrades(engine);
    describeIntermediary(engine, skips[engine]);
    describeCuts(engine, skips[engine]);
    describeBulk(engine);
  });
}
