// What the server sends to the page: shapes only, so that the browser code imports them too.

/** One endpoint as a node sees it. Rates are per second, times milliseconds. */
export interface EndpointView {
  readonly address: string;
  readonly name: string;
  readonly state: string;
  readonly reason: string;
  /** ISO 8601 */
  readonly since: string;
  readonly active: number;
  readonly weight: number;
  readonly latencyMs: number | null;
  readonly rate: number;
  /** What the last check said. */
  readonly check: string;
}

export interface PoolView {
  readonly name: string;
  readonly balance: string;
  readonly panic: boolean;
  readonly endpoints: readonly EndpointView[];
}

/** One process of a tier. */
export interface NodeView {
  readonly name: string;
  readonly tier: "dns" | "l7" | "l4" | "origin";
  readonly region: string | null;
  readonly zone: string | null;
  readonly address: string;
  readonly state: string;
  readonly reason: string;
  /** Queries, requests or connections per second. */
  readonly rate: number;
  readonly active: number;
  /** Of a router: share of its answers that were 5xx, 0..1, and times of whole requests; else null. */
  readonly errorShare: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly pools: readonly PoolView[];
}

/** One server of a zone, as its origin tells. */
export interface ServerView {
  /** "eu-west-a/api-1" */
  readonly name: string;
  readonly service: string;
  readonly zone: string;
  readonly region: string;
  readonly address: string;
  readonly state: string;
  readonly delayMs: number;
  readonly active: number;
  readonly rate: number;
  /** How the forwarders of its zone see it. */
  readonly seen: readonly { readonly by: string; readonly state: string; readonly reason: string }[];
}

/** A region, as the name servers see it. */
export interface RegionView {
  readonly name: string;
  /** Latitude and longitude, degrees. */
  readonly location: readonly [number, number];
  /** Geo answers per second. */
  readonly steeredRate: number;
  readonly seen: readonly {
    readonly by: string;
    readonly healthy: boolean;
    readonly reason: string;
    readonly forced: string | null;
  }[];
}

/** Clients of one country, while traffic is sent from there. */
export interface CountryTraffic {
  readonly country: string;
  readonly wanted: number;
  readonly requests: number;
  readonly failed: number;
  readonly retries: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers of the last second by region. */
  readonly answers: Readonly<Record<string, number>>;
}

export interface TrafficView {
  readonly seed: number;
  readonly wanted: number;
  readonly failed: number;
  readonly total: number;
  readonly lastFailure: string | null;
  readonly countries: readonly CountryTraffic[];
}

/** One second of the whole stack, for the charts. */
export interface Sample {
  /** Counts the snapshots of this console. */
  readonly id: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly dnsRate: number;
  readonly httpRate: number;
  /** Share of the routers' answers that were 5xx, 0..1; null where there were none. */
  readonly errorShare: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** Requests per second by region. */
  readonly regions: Readonly<Record<string, number>>;
  /** What clients of the traffic generator saw fail, per second. */
  readonly clientFailures: number;
}

export interface Snapshot {
  readonly sample: Sample;
  readonly nodes: readonly NodeView[];
  readonly servers: readonly ServerView[];
  readonly regions: readonly RegionView[];
  readonly traffic: TrafficView | null;
}

/** A change of state somewhere, or what was done from a console. */
export interface TimelineEvent {
  readonly id: number;
  /** ISO 8601 */
  readonly at: string;
  readonly node: string;
  readonly type: string;
  readonly text: string;
  readonly reason: string;
  readonly level: "good" | "bad" | "note";
}

/** What a page needs to know once. */
export interface Session {
  /** Goes with every command, as a bearer token. Null where the page has to ask its user for the token of the stack. */
  readonly token: string | null;
  readonly dnsZone: string;
  /** Test clients by country: their address, and where the country is (latitude, longitude; degrees). */
  readonly countries: Readonly<
    Record<string, { readonly address: string; readonly location: readonly [number, number] | null }>
  >;
  readonly algorithms: readonly string[];
  readonly targets: readonly { readonly kind: string; readonly name: string; readonly verbs: readonly string[] }[];
  /** Why processes cannot be hit from here; null where they can. */
  readonly drillsLimitedBy: string | null;
}
