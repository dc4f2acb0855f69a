import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Random } from "#shared/core/random.ts";
import type { Endpoint } from "./endpoint.ts";
import { Group } from "./group.ts";
import type { Census } from "./panic.ts";
import type { Step } from "./choice-order.ts";

/** Users are kept together in so many buckets: enough to spread them over the servers of a region, few enough that a router
 * can keep connections for each. */
export const bucketCount = 256;

/** What a bucket is hashed by: the same words in router and forwarder. */
export function bucketName(bucket: number): string {
  return String(bucket);
}

/** The zone of nobody in particular: of endpoints that name none. */
interface ZoneGroup {
  readonly zone: string;
  readonly weight: number;
  readonly group: Group;
}

/** Where the users of a bucket go: to the zone that their bucket draws, whatever zone asks, so that every router of a region
 * says the same; then to the next zone that it draws. A zone that goes moves its own buckets, one that comes takes its share
 * and no other bucket moves (weighted rendezvous hashing). */
export class AffinityOrder {
  readonly #random: Random;
  #zones: readonly ZoneGroup[] = [];
  #byBucket: (readonly ZoneGroup[] | undefined)[] = [];
  readonly #backups: Group;
  #panic = false;

  constructor(random: Random) {
    this.#random = random;
    this.#backups = new Group(random);
  }

  rebuild(endpoints: readonly Endpoint[], { panic, candidates }: Census): void {
    const known = new Map(this.#zones.map((zone) => [zone.zone, zone.group]));
    const members = panic ? candidates : endpoints.filter((endpoint) => endpoint.eligible);
    const zones = new Map<string, Endpoint[]>();
    for (const endpoint of endpoints) {
      if (endpoint.backup) continue;
      const zone = zones.get(endpoint.zone ?? "");
      if (zone) zone.push(endpoint);
      else zones.set(endpoint.zone ?? "", [endpoint]);
    }
    this.#zones = Array.from(zones, ([zone, all]) => {
      const group = known.get(zone) ?? new Group(this.#random);
      group.setMembers(members.filter((endpoint) => !endpoint.backup && (endpoint.zone ?? "") === zone));
      return { zone, group, weight: all.reduce((sum, endpoint) => sum + endpoint.configuredWeight, 0) };
    });
    this.#backups.setMembers(members.filter((endpoint) => endpoint.backup));
    this.#byBucket = [];
    this.#panic = panic;
  }

  /** @param elsewhere another zone than that of the last try is asked first. Without it, as after a connect that failed, a
   * twin in the same zone comes next: it leads to the same server. */
  stepFor(bucket: number, tried: readonly Endpoint[], elsewhere: boolean): Step | undefined {
    const order = (this.#byBucket[bucket] ??= this.#draw(bucket));
    const isOpen = (group: Group) => group.hasUntried(tried);
    const failed = elsewhere ? tried.at(-1)?.zone : undefined;
    const found =
      (failed === undefined ? undefined : order.find(({ zone, group }) => zone !== failed && isOpen(group))) ??
      order.find(({ group }) => isOpen(group));
    const named = (group: Group, reason: Reason): Step => ({ group, reason: this.#panic ? "PANIC" : reason });
    if (found) return named(found.group, found === order[0] ? "OK" : "ZONE_FAILOVER");
    return isOpen(this.#backups) ? named(this.#backups, "BACKUP") : undefined;
  }

  /** The zones in the order in which this bucket asks for them. */
  #draw(bucket: number): readonly ZoneGroup[] {
    const scored = this.#zones.map((zone) => {
      const drawn = (hash32(zone.zone, hash32(bucketName(bucket))) + 0.5) / 4_294_967_296; // within (0, 1)
      return { zone, score: -zone.weight / Math.log(drawn) };
    });
    return scored.toSorted((a, b) => b.score - a.score).map(({ zone }) => zone);
  }
}
