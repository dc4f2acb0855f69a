import type { Name } from "../wire/name.ts";
import type { OwnedSet, RecordSet } from "../wire/body.ts";
import type { Binding } from "./binding.ts";

/** What stands at one name. A node without anything is an empty non-terminal: only names below it have records. */
export interface Node {
  /** Where `cut` is set, only the DS. */
  readonly sets: ReadonlyMap<number, RecordSet>;
  /** Where the CNAME leads, if the node is an alias. */
  readonly alias: Name | undefined;
  /** Where the DNAME leads: every name below stands for one below that. */
  readonly subtreeAlias: Name | undefined;
  /** Answers that depend on the client. */
  readonly steered: Steered | undefined;
  /** This name and all below it are delegated to other servers, or are a dnsZone of their own. */
  readonly cut: Cut | undefined;
}

export interface Steered {
  /** Whose regions A and AAAA are steered to. */
  readonly service: string;
  /** Seconds; undefined: that of the service. */
  readonly ttl: number | undefined;
  /** HTTPS and SVCB records with hints of the steered region, by type. */
  readonly bindings: ReadonlyMap<number, Binding>;
}

/** A delegation. Its NS set is not authoritative here, its DS set is. @see RFC 1034 §4.2.1, RFC 4035 §3.1.4.1 */
export interface Cut {
  readonly ns: RecordSet;
  readonly ds: RecordSet | undefined;
}

/** One dnsZone. Immutable. */
export interface Zone {
  /** As in the config. */
  readonly name: string;
  readonly apex: Name;
  /** None below a cut: what stands above a name in this map, up to the apex, is no cut. */
  readonly nodes: ReadonlyMap<Name, Node>;
  /** A and AAAA at or below cuts: they only go along with a referral. */
  readonly glue: ReadonlyMap<Name, readonly RecordSet[]>;
  /** The SOA as negative answers carry it: its TTL is min(SOA TTL, negative TTL). @see RFC 2308 §3 */
  readonly negativeSoa: OwnedSet;
  /** What a question for ANY gets. @see RFC 8482 §4.2 */
  readonly anySet: RecordSet;
  readonly recordCount: number;
}

export const emptyNode: Node = {
  sets: new Map(),
  alias: undefined,
  subtreeAlias: undefined,
  steered: undefined,
  cut: undefined,
};
