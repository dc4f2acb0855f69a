import type { BalanceName } from "#shared/config/schema/common.ts";

/** What a service's slots are chosen by. `inc` takes them in turn, `random` draws one, `hash` takes that of the client. */
export interface SlotPlan {
  readonly by: "inc" | "random" | "hash";
  /** Of every slot, an index into the endpoints that were given; empty while nobody may be used. */
  readonly slots: readonly number[];
}

/** One server of a service, as the kernel knows it. */
export interface KernelServer {
  /** 1..65535, unique in the table: the low half of the mark that its connections carry. */
  readonly id: number;
  /** "host:port" as in the config. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** For people: "web-1 127.11.1.10:9000". */
  readonly comment: string;
}

/** One listener that the kernel carries. */
export interface KernelService {
  /** An identifier of nft, unique in the table: "web_1". */
  readonly name: string;
  /** For people: "pool web, round-robin". */
  readonly comment: string;
  readonly host: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly servers: readonly KernelServer[];
  /** Connections that one server may have; undefined: no bound. */
  readonly connectionsMax: number | undefined;
  readonly source: ServiceSource;
  readonly plan: SlotPlan;
}

/** What servers see as the source of a connection: this address, the one of the way out, or the client's own. */
export type ServiceSource =
  | { readonly kind: "address"; readonly host: string }
  | { readonly kind: "masquerade" }
  | { readonly kind: "keep" };

/** Everything that one forwarder has in the kernel. */
export interface KernelTable {
  /** An identifier of nft: "watershed_1a2b3c4d". */
  readonly name: string;
  readonly comment: string;
  /** 1..65535: the high half of the mark, so that two forwarders tell their connections apart. */
  readonly tag: number;
  readonly services: readonly KernelService[];
  readonly limits: {
    readonly connectionsPerClient?: number | undefined;
    readonly connectionsPerSecondPerClient?: number | undefined;
    readonly burst?: number | undefined;
  };
  /** Seconds; undefined where the kernel cannot set them. */
  readonly timeouts: { readonly idle: number; readonly halfClosed: number; readonly udpIdle: number } | undefined;
}

/** What slots are made from: one eligible endpoint. */
export interface SlotCandidate {
  /** "host:port" */
  readonly id: string;
  readonly weight: number;
  readonly active: number;
  /** 0 while nothing was measured. */
  readonly latencyMs: number;
}

/** How an algorithm is approximated in the kernel; undefined where it is exact. */
export const approximations: Readonly<Record<BalanceName, string | undefined>> = {
  "round-robin": undefined,
  weighted: undefined,
  random: undefined,
  "ip-hash": undefined,
  "least-connections": "least-connections: shares follow the connections counted each second",
  "least-response-time": "least-response-time: shares follow check latencies and connections counted each second",
  "power-of-two": "power-of-two: drawn by the connections counted each second",
};
