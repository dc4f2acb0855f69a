import type { Admitted } from "./admit.ts";
import type { UpstreamRequest, UpstreamTaker } from "./engine/engine.ts";
import type { Passage } from "./passage.ts";
import type { Site } from "./site.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";

/** Whose tries these are. */
export interface TriesOwner extends UpstreamTaker {
  /** Send the request on this one. */
  onConnection(connection: UpstreamConnection, request: UpstreamRequest): void;
  /** Another server has the whole request now: `answerMs` counts from now on. */
  awaitTurn(): void;
  /** No server answered. */
  onFailure(error: unknown): void;
}

export interface TriesOptions {
  readonly request: UpstreamRequest;
  readonly admitted: Pick<Admitted, "routed" | "affinity">;
  readonly site: Site;
  readonly passage: Passage;
  readonly owner: TriesOwner;
}
