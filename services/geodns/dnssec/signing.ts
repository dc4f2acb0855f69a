import path from "node:path";
import { ConfigError, problemsOfFile, unmet } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Locate } from "#shared/config/origin.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import type { Host } from "#shared/server/service.ts";
import { types } from "../wire/codes.ts";
import { formatName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { apexOf } from "../zone/build.ts";
import type { Zone } from "../zone/zone.ts";
import type { ZoneKey } from "./key.ts";
import { stateOf } from "./key.ts";
import { loadKeys } from "./key-store.ts";
import { SignatureCache, SigningBudget } from "./signature-cache.ts";
import { ZoneSigner } from "./signer.ts";
import type { SigningTools } from "./signer.ts";
import type { Transport } from "../answer.ts";

// An entry takes about 700 bytes: 45 MB when full. More record sets than this are signed anew as they are asked for.
const lastingMax = 65_536;
// Names that resolvers ask for again within the TTL of a denial, at the highest rate that is signed; 6 MB when full.
const passingMax = 8_192;

const sliceMs = 2; // queries wait no longer for a reload

export type Signers = ReadonlyMap<Name, ZoneSigner>;

/** Signing in one name server. It outlives reloads, so that what was signed with the same keys need not be signed anew. */
export class Signing {
  readonly #tools: SigningTools;
  readonly #budget: SigningBudget;
  /** Of the metric; told when somebody reads it, because a flood is refused more often than a metric should be touched. */
  readonly #signed = { made: 0, refused: 0 };

  constructor({ clock, random }: Pick<Host, "clock" | "random">, config: GeodnsConfig) {
    this.#budget = new SigningBudget(clock, config.dnssec.signaturesPerSecond);
    this.#tools = {
      now: () => Math.floor(Date.now() / 1_000),
      random,
      lasting: new SignatureCache(lastingMax),
      passing: new SignatureCache(passingMax),
      budget: this.#budget,
      onSigned: (result) => void this.#signed[result]++,
    };
  }

  /** A signer for each dnsZone that has keys. */
  signersOf(read: readonly KeysOfZone[]): Signers {
    const signers = new Map<Name, ZoneSigner>();
    for (const { apex, keys, validitySeconds } of read)
      signers.set(apex, new ZoneSigner(apex, keys, validitySeconds, this.#tools));
    return signers;
  }

  /** Signs what stands in the dnsZones, with pauses in which queries are answered. Signatures that are kept from before
   * cost nothing. What is steered is signed when it is first asked for, and so is what the cache has no room for. */
  async signAll(zones: ReadonlyMap<Name, Zone>, signers: Signers): Promise<void> {
    let sinceMs = performance.now();
    let left = lastingMax;
    for (const { apex, nodes, negativeSoa } of zones.values()) {
      const signer = signers.get(apex);
      if (!signer) continue;
      signer.sign(apex, negativeSoa.set);
      for (const [owner, { sets }] of nodes)
        for (const set of sets.values()) {
          if (left-- <= 0) return;
          signer.sign(owner, set);
          if (performance.now() - sinceMs < sliceMs) continue;
          await new Promise((resolve) => void setImmediate(resolve));
          sinceMs = performance.now();
        }
    }
  }

  /** Adds what has come since the last time. */
  tell({ count }: Pick<Metrics, "count">): void {
    for (const result of ["made", "refused"] as const) {
      if (this.#signed[result] > 0) count("watershed_dns_signatures_total", { result }, this.#signed[result]);
      this.#signed[result] = 0;
    }
  }

  /** A reload. */
  setLimits({ dnssec }: GeodnsConfig): void {
    this.#budget.setRate(dnssec.signaturesPerSecond);
  }
}

/** The keys of one dnsZone, as its config names them. */
export interface KeysOfZone {
  readonly apex: Name;
  readonly keys: readonly ZoneKey[];
  readonly validitySeconds: number;
}

/** The keys of every dnsZone that is to be signed.
 * @param now seconds since 1970
 * @throws {ConfigError} with everything that is wrong with the files of any of them */
export function readKeys(
  { dnsZones }: Pick<GeodnsConfig, "dnsZones">,
  locate: Locate,
  now: number,
): readonly KeysOfZone[] {
  const problems: Problem[] = [];
  const read: KeysOfZone[] = [];
  for (const [name, { dnssec: signed }] of Object.entries(dnsZones)) {
    if (!signed) continue;
    const apex = apexOf(name);
    const namedBy = () => locate(["dnsZones", name, "dnssec", "keys"]);
    try {
      const keys = loadKeys(path.resolve(signed.keys), apex).map(({ key }) => key);
      read.push({ apex, keys, validitySeconds: signed.validitySeconds });
      const fault = faultOf(apex, keys, now);
      if (fault) problems.push(unmet(namedBy(), { ...fault, got: `${fault.got} in ${signed.keys}` }));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...problemsOfFile(error.problems, namedBy()));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return read;
}

/** Without an entry point that signs nothing could be validated. */
function faultOf(apex: Name, keys: readonly ZoneKey[], now: number) {
  if (keys.some((key) => key.isEntryPoint && stateOf(key, now) === "active")) return undefined;
  const got = keys.map((key) => `${key.tag} (flags ${key.flags}, ${stateOf(key, now)})`).join(", ");
  const hint = `watershed dnssec set ${formatName(apex)} TAG --activate now`;
  return { expected: `a key of ${formatName(apex)} with flags 257 that is active`, got, hint };
}

/** Whether nothing more is signed on demand for now. All signers share the limit: one speaks for them. */
export function isExhausted(signers: Signers, transport: Transport): boolean {
  for (const signer of signers.values()) return signer.refuses(transport);
  return false;
}

/** The dnsZones with the record sets of their keys, in place of those that they may have from before. */
export function withKeys(zones: ReadonlyMap<Name, Zone>, signers: Signers): ReadonlyMap<Name, Zone> {
  if (signers.size === 0) return zones;
  return new Map([...zones].map(([apex, zone]) => [apex, addKeys(zone, signers.get(apex))]));
}

function addKeys(zone: Zone, signer: ZoneSigner | undefined): Zone {
  const { apex, nodes, negativeSoa } = zone;
  const top = nodes.get(apex);
  if (!signer || !top) return zone;
  const ttl = top.sets.get(types.SOA)?.ttl ?? negativeSoa.set.ttl;
  const keySets = signer.keySets(ttl).map((set) => [set.type, set] as const);
  return { ...zone, nodes: new Map([...nodes, [apex, { ...top, sets: new Map([...top.sets, ...keySets]) }]]) };
}

/** What `GET /status` says of a signer. */
export function signerStatus({ apex, states }: ZoneSigner): Record<string, unknown> {
  const keys = states.map(({ key, state }) => ({ tag: key.tag, flags: key.flags, state }));
  return { dnsZone: formatName(apex), keys };
}
