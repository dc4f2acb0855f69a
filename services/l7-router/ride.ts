import type { Host } from "#shared/server/service.ts";
import type { Downstream } from "./downstream.ts";
import type { Engine } from "./engine/engine.ts";
import type { RequestHead } from "./head.ts";
import type { Passage } from "./passage.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import type { Refusal } from "./refusal.ts";
import type { Snapshot } from "./snapshot.ts";

/** What every request needs of the router. */
export interface Site {
  readonly host: Host;
  readonly engine: Engine;
  readonly viaName: string;
  /** As it was when the request came: a reload does not change it under way. */
  readonly snapshot: Snapshot;
  /** From the moment on that this is true, every answer ends its connection. */
  readonly isDraining: () => boolean;
  /** What `GET /health` answers instead of 200. */
  readonly unhealthy: () => Refusal | undefined;
}

/** One request on its way. */
export interface Ride {
  readonly site: Site;
  readonly downstream: Downstream;
  readonly head: RequestHead;
  readonly forwarded: Forwarded;
  readonly passage: Passage;
  /** Whether the connection must end after the answer that begins now. */
  readonly closes: () => boolean;
}
