import type { BalanceName } from "#shared/config/schema/common.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "./endpoint.ts";

/** What a pool is asked for one attempt. */
export interface ChooseRequest {
  /** 32 bits, for ip-hash. */
  readonly hash: number;
  /** Endpoints that this request has tried already, oldest first. */
  readonly tried: readonly Endpoint[];
  /** Default: the pool's own. LOCAL connections go round-robin. */
  readonly balance?: BalanceName | undefined;
  /** Bucket of a user who is kept where the others of it are: then zone and endpoint follow from it alone. */
  readonly affinity?: number | undefined;
  /** What failed was no connect, or no further try follows: with an affinity, another zone is asked first. */
  readonly elsewhere?: boolean | undefined;
  /** Only look: the picker does not advance. */
  readonly peek?: boolean | undefined;
}

export interface PoolChoice {
  readonly endpoint: Endpoint | undefined;
  /** `OK`, `PANIC`, `ZONE_FAILOVER` or `BACKUP`; `NO_HEALTHY` or `NO_ENDPOINT` when there is no endpoint. */
  readonly reason: Reason;
  /** Among whom the endpoint was chosen. */
  readonly members?: readonly Endpoint[] | undefined;
}
