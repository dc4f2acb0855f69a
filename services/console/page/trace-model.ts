// What of `./watershed trace --json` is shown.

export interface Candidate {
  readonly address: string;
  readonly name: string;
  readonly zone: string | null;
  readonly active: number;
  readonly weight: number;
  readonly reason: string;
  readonly picked: boolean;
}

export interface Attempt {
  readonly choice: {
    readonly name: string | null;
    readonly balance: string;
    readonly reason: string;
    readonly candidates: readonly Candidate[];
  };
  readonly outcome: string;
  readonly tookMs: number;
}

interface DnsDecision {
  readonly place: { readonly country: string | null } | null;
  readonly rule: string;
  readonly reason: string;
  readonly region: string | null;
  readonly ttl: number;
  readonly regions?: readonly {
    readonly region: string;
    readonly chosen: boolean;
    readonly healthy: boolean;
    readonly reason: string;
    readonly addresses: readonly { readonly address: string; readonly state: string }[];
  }[];
}

interface HttpDecision {
  readonly route: { readonly match: unknown } | null;
  readonly pool: string | null;
  readonly status: number;
  readonly reason: string;
  readonly tookMs: number;
  readonly attempts?: readonly Attempt[];
}

interface ConnectionDecision {
  readonly serverName: string;
  readonly server: string;
  readonly ageMs: number;
  readonly attempts?: readonly Attempt[];
}

interface Recorded<Decision> {
  readonly node: string | null;
  readonly decision: Decision | null;
  /** Why there is no record. */
  readonly missing: string | null;
}

export interface Trace {
  readonly client: { readonly address: string; readonly country: string | null };
  readonly request: { readonly method: string; readonly host: string; readonly path: string };
  readonly dns: (Recorded<DnsDecision> & { readonly server: string | null; readonly tookMs: number }) | null;
  readonly http: Recorded<HttpDecision> | null;
  readonly connections: readonly (Recorded<ConnectionDecision> & { readonly attempt: number })[];
  readonly clientRetries: number;
  readonly answer: {
    readonly status: number;
    readonly headers: readonly (readonly [string, string])[];
    readonly body: string;
    readonly bodyBytes: number;
    readonly firstByteMs: number;
    readonly tookMs: number;
  } | null;
}
