import type { Host } from "#shared/server/service.ts";
import type { BodyRoom } from "./held-body.ts";
import type { Maintenance } from "./maintenance.ts";
import type { Mirrors } from "./mirror.ts";
import type { RateLimiter } from "./policy/rate-limit.ts";
import type { Recorders } from "./recorders.ts";
import type { Refusal } from "./refusal.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Tallies } from "./tallies.ts";
import type { Wheel } from "./wheel.ts";

/** What every request needs of the router. */
export interface Site {
  readonly host: Host;
  readonly wheel: Wheel;
  readonly tallies: Tallies;
  /** As they are now: a request that began before a reload is logged where the new config says. */
  readonly recorders: () => Recorders;
  readonly viaName: string;
  readonly rateLimiter: RateLimiter;
  readonly mirrors: Mirrors;
  /** For bodies that are read before their route is known. */
  readonly bodyRoom: BodyRoom;
  /** As it was when the request came: a reload does not change it under way. */
  readonly snapshot: Snapshot;
  /** Routes that are closed for now. */
  readonly maintenance: Maintenance;
  /** From the moment on that this is true, every answer ends its connection. */
  readonly isDraining: () => boolean;
  /** What `GET /health` answers instead of 200. */
  readonly unhealthy: () => Refusal | undefined;
  /** Counts requests under way, by 1 or -1. */
  readonly count: (by: 1 | -1) => void;
}
