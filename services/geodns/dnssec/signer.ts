import { createHash } from "node:crypto";
import { UsageError } from "#shared/core/error.ts";
import type { Random } from "#shared/core/random.ts";
import { classes, types } from "../wire/codes.ts";
import { formatName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { RecordSet } from "../wire/body.ts";
import { canonicalOrder, canonicalRecords, labelCount } from "./canonical.ts";
import { dsOf, nextChange, signWith, stateOf } from "./key.ts";
import type { KeyState, ZoneKey } from "./key.ts";
import { dnskeyText, dsText, encodeRrsigHead, rrsigText } from "./rdata.ts";
import type { SignatureCache, SigningBudget } from "./signature-cache.ts";
import type { Transport } from "../answer.ts";

const backdatedSeconds = 3_600; // validators whose clock is late, or in the wrong summer time, must not take it for premature
const jitterShare = 1 / 16; // of the validity: what was signed at once need not be signed anew at once
const renewShare = 1 / 2; // of what is left: a name server that cannot sign for days still answers validly

/** What every signer of a name server shares. */
export interface SigningTools {
  /** Wall clock, whole seconds since 1970. */
  readonly now: () => number;
  readonly random: Random;
  /** Signatures of what stands in the dnsZones. */
  readonly lasting: SignatureCache;
  /** Signatures of names that anybody can think up: they never push the others out. */
  readonly passing: SignatureCache;
  readonly budget: SigningBudget;
  /** A signature was made, or refused because the budget is used up. */
  readonly onSigned: (result: "made" | "refused") => void;
}

/** Some keys of a dnsZone. */
interface KeyList {
  readonly keys: readonly ZoneKey[];
  /** Differs whenever the keys do. */
  readonly id: string;
}

interface Roles {
  /** Signs DNSKEY, CDS and CDNSKEY: what the parent's DS leads to. */
  readonly entryPoints: KeyList;
  /** Signs all else. Without a zone-signing key these are the entry points. */
  readonly signers: KeyList;
  /** Those that are shown. */
  readonly shown: KeyList;
  /** When one of them changes, in seconds since 1970. */
  readonly until: number;
}

/** Signs one dnsZone with the keys that are active at the time. */
export class ZoneSigner {
  readonly apex: Name;
  readonly #keys: readonly ZoneKey[];
  readonly #validitySeconds: number;
  readonly #tools: SigningTools;
  #roles: Roles;

  /** @throws {UsageError} if no entry point is active: nothing that is signed could be validated */
  constructor(apex: Name, keys: readonly ZoneKey[], validitySeconds: number, tools: SigningTools) {
    this.apex = apex;
    this.#keys = keys;
    this.#validitySeconds = validitySeconds;
    this.#tools = tools;
    this.#roles = rolesOf(keys, tools.now());
    if (this.#roles.entryPoints.keys.length === 0)
      throw new UsageError(
        `${formatName(apex)}: no key with flags 257 is active (${keys.map(({ tag }) => tag).join(", ")})`,
      );
  }

  /** Every key and what it does now. */
  get states(): readonly { readonly key: ZoneKey; readonly state: KeyState }[] {
    const now = this.#tools.now();
    return this.#keys.map((key) => ({ key, state: stateOf(key, now) }));
  }

  /** Tags of the keys that sign record sets of a type now. */
  tagsFor(type: number): readonly number[] {
    return this.#signersOf(type).keys.map(({ tag }) => tag);
  }

  /** Takes up keys whose time has come, and lets go of others.
   * @returns whether the record sets of the keys have changed */
  refresh(): boolean {
    const now = this.#tools.now();
    if (now < this.#roles.until) return false;
    const before = this.#roles;
    const roles = rolesOf(this.#keys, now);
    // Keys that have all run out: the last ones go on, or the whole dnsZone would be bogus.
    this.#roles = roles.entryPoints.keys.length > 0 ? roles : { ...before, until: roles.until };
    return (["entryPoints", "signers", "shown"] as const).some((role) => this.#roles[role].id !== before[role].id);
  }

  /** The record sets of the keys, at the apex: DNSKEY, and CDS and CDNSKEY for the parent (RFC 7344).
   * @param ttl seconds */
  keySets(ttl: number): readonly RecordSet[] {
    const { shown, entryPoints } = this.#roles;
    const dnskeys = shown.keys.map(({ dnskey }) => dnskey);
    const forParent = entryPoints.keys.map(({ dnskey }) => dnskey);
    const digests = entryPoints.keys.map(dsOf);
    return [
      { type: types.DNSKEY, ttl, data: dnskeys, texts: dnskeys.map(dnskeyText) },
      { type: types.CDS, ttl, data: digests, texts: digests.map(dsText) },
      { type: types.CDNSKEY, ttl, data: forParent, texts: forParent.map(dnskeyText) },
    ];
  }

  /** RRSIG records of a record set that stands in the dnsZone; made once, and anew well before they end. */
  sign(owner: Name, set: RecordSet): RecordSet {
    const { lasting, now } = this.#tools;
    const ordered = canonicalOrder(set.type, set.data);
    const key = this.#cacheKey(owner, set, ordered);
    return lasting.get(key, now())?.set ?? this.#make(lasting, key, owner, set, ordered);
  }

  /** Whether nothing more is signed on demand for now, of any dnsZone. Counted as refused. */
  refuses(transport: Transport): boolean {
    const { budget, onSigned } = this.#tools;
    if (budget.has(transport)) return false;
    onSigned("refused");
    return true;
  }

  /** The same for a name that was made up by whoever asks.
   * @returns undefined over the limit of what is signed on demand */
  signPassing(owner: Name, set: RecordSet, transport: Transport): RecordSet | undefined {
    const { passing, now, budget, onSigned } = this.#tools;
    const ordered = canonicalOrder(set.type, set.data);
    const key = this.#cacheKey(owner, set, ordered);
    const found = passing.get(key, now())?.set;
    if (found) return found;
    if (budget.take(transport)) return this.#make(passing, key, owner, set, ordered);
    onSigned("refused");
    return undefined;
  }

  #cacheKey(owner: Name, { type, ttl }: RecordSet, ordered: readonly Uint8Array[]): string {
    const content = ordered.map((data) => `${data.length}:${Buffer.from(data).toString("latin1")}`);
    return `${this.#signersOf(type).id} ${this.#validitySeconds} ${type} ${ttl} ${owner}\0${content.join("")}`;
  }

  #make(
    cache: SignatureCache,
    cacheKey: string,
    owner: Name,
    set: RecordSet,
    ordered: readonly Uint8Array[],
  ): RecordSet {
    const { now, random, onSigned } = this.#tools;
    const at = now();
    const inception = at - backdatedSeconds;
    const expiration = at + Math.floor(this.#validitySeconds * (1 - jitterShare * random()));
    const signed = this.#signersOf(set.type).keys.map((key) =>
      signOne(key, owner, set, ordered, { inception, expiration }),
    );
    const rrsig = {
      type: types.RRSIG,
      ttl: set.ttl,
      data: signed.map(({ data }) => data),
      texts: signed.map(({ text }) => text),
    };
    cache.set(cacheKey, { set: rrsig, inception, renewAt: renewalOf({ inception, expiration }) });
    onSigned("made");
    return rrsig;
  }

  #signersOf(type: number): KeyList {
    const isOfKeys = type === types.DNSKEY || type === types.CDS || type === types.CDNSKEY;
    return isOfKeys ? this.#roles.entryPoints : this.#roles.signers;
  }
}

/** When a signature of ours is made anew, in seconds since 1970: well before it expires. */
export function renewalOf({
  inception,
  expiration,
}: {
  readonly inception: number;
  readonly expiration: number;
}): number {
  const madeAt = inception + backdatedSeconds;
  return madeAt + Math.floor((expiration - madeAt) * renewShare);
}

function rolesOf(keys: readonly ZoneKey[], now: number): Roles {
  const inState = (...states: readonly KeyState[]) => keys.filter((key) => states.includes(stateOf(key, now)));
  const active = inState("active");
  const entryPoints = active.filter(({ isEntryPoint }) => isEntryPoint);
  const zoneSigners = active.filter(({ isEntryPoint }) => !isEntryPoint);
  const changes = keys.flatMap((key) => nextChange(key, now) ?? []);
  return {
    entryPoints: listOf(entryPoints),
    signers: listOf(zoneSigners.length > 0 ? zoneSigners : entryPoints),
    shown: listOf(inState("published", "active", "retired")),
    until: Math.min(Infinity, ...changes),
  };
}

function listOf(keys: readonly ZoneKey[]): KeyList {
  const hash = createHash("sha256");
  for (const { dnskey } of keys) hash.update(dnskey);
  return { keys, id: hash.digest("latin1") };
}

/** @see RFC 4034 §3.1.8.1 */
export function signOne(
  key: ZoneKey,
  owner: Name,
  { type, class: recordClass = classes.IN, ttl }: RecordSet,
  ordered: readonly Uint8Array[],
  { inception, expiration }: { readonly inception: number; readonly expiration: number },
): { readonly data: Uint8Array; readonly text: string } {
  const fields = {
    typeCovered: type,
    labels: labelCount(owner),
    originalTtl: ttl,
    expiration,
    inception,
    tag: key.tag,
    signer: key.zone,
  };
  const head = encodeRrsigHead(fields);
  const signature = signWith(
    key,
    Buffer.concat([head, canonicalRecords(owner, { type, class: recordClass, ttl }, ordered)]),
  );
  return { data: Buffer.concat([head, signature]), text: `${rrsigText(fields)} ${signature.toString("base64")}` };
}
