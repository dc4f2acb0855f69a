import type { Reason } from "#shared/core/error.ts";
import type { Random } from "#shared/core/random.ts";
import { AffinityOrder } from "./affinity-order.ts";
import type { Endpoint } from "./endpoint.ts";
import { Group } from "./group.ts";
import type { Census } from "./panic.ts";

/** A group to choose from, and the reason that a choice from it has. */
export interface Step {
  readonly group: Group;
  readonly reason: Reason;
}

/** In which order the groups of a pool are asked: own zone, other zones, backups. In panic: everyone who may be used.
 * Groups are formed anew when something changed, not at a pick. */
export class ChoiceOrder {
  readonly #random: Random;
  readonly #ownZone: string | undefined;
  readonly #own: Group;
  readonly #others: Group;
  readonly #backups: Group;
  readonly #everyone: Group;
  readonly #affinity: AffinityOrder;
  /** Eligible endpoints outside a zone, formed when a retry first asks. At most one a zone of the pool. */
  readonly #outside = new Map<string, Group>();
  #primaries: readonly Endpoint[] = [];
  #steps: readonly Step[] = [];
  #panic = false;
  /** Share of first tries that other zones take, 0 to 1. */
  #spillShare = 0;

  constructor(random: Random, ownZone: string | undefined) {
    this.#random = random;
    this.#ownZone = ownZone;
    this.#own = new Group(random);
    this.#others = new Group(random);
    this.#backups = new Group(random);
    this.#everyone = new Group(random);
    this.#affinity = new AffinityOrder(random);
  }

  /** @param spillBelowPercent of the own zone's weight: where less is eligible, other zones take what is missing */
  rebuild(endpoints: readonly Endpoint[], census: Census, spillBelowPercent = 0): void {
    const { panic, candidates } = census;
    this.#affinity.rebuild(endpoints, census);
    const eligible = endpoints.filter((endpoint) => endpoint.eligible);
    this.#primaries = eligible.filter((endpoint) => !endpoint.backup);
    this.#own.setMembers(this.#primaries.filter((endpoint) => this.#isOwn(endpoint)));
    this.#others.setMembers(this.#primaries.filter((endpoint) => !this.#isOwn(endpoint)));
    this.#backups.setMembers(eligible.filter((endpoint) => endpoint.backup));
    this.#everyone.setMembers(panic ? candidates : []);
    this.#outside.clear();
    this.#panic = panic;
    const hasOwn = endpoints.some((endpoint) => !endpoint.backup && this.#isOwn(endpoint));
    const steps: Step[] = [
      { group: this.#own, reason: "OK" },
      { group: this.#others, reason: hasOwn ? "ZONE_FAILOVER" : "OK" },
      { group: this.#backups, reason: "BACKUP" },
    ];
    this.#steps = steps.filter(({ group }) => group.members.length > 0);
    const canSpill = !panic && this.#own.members.length > 0 && this.#others.members.length > 0;
    this.#spillShare = canSpill ? this.#missingShare(endpoints, spillBelowPercent) : 0;
  }

  /** Of what the own zone should carry. Weights as configured: slow start is no loss. */
  #missingShare(endpoints: readonly Endpoint[], belowPercent: number): number {
    let whole = 0;
    let left = 0;
    for (const endpoint of endpoints) {
      if (endpoint.backup || !this.#isOwn(endpoint)) continue;
      whole += endpoint.configuredWeight;
      if (endpoint.eligible) left += endpoint.configuredWeight;
    }
    const wanted = (whole * belowPercent) / 100;
    return left >= wanted ? 0 : 1 - left / wanted;
  }

  /** The group for a first try whose client need not stay where it is: the own zone's, or by chance, as far as that has
   * too little, the others'. */
  spread(): Step | undefined {
    if (this.#spillShare === 0 || this.#random() >= this.#spillShare) return this.stepFor([]);
    return { group: this.#others, reason: "ZONE_FAILOVER" };
  }

  /** The group to choose from; undefined when everybody was tried or nobody may be. */
  stepFor(tried: readonly Endpoint[]): Step | undefined {
    if (tried.length === 0) return this.#panic ? this.#panicStep() : this.#steps[0];
    return this.#retryStep(tried);
  }

  /** The group for a user who is kept with the others of a bucket. */
  affine(bucket: number, tried: readonly Endpoint[], elsewhere: boolean): Step | undefined {
    return this.#affinity.stepFor(bucket, tried, elsewhere);
  }

  /** A retry goes to another zone first: what failed may be the zone. In panic it goes to the eligible first, because a
   * second blind try is worse than a known good endpoint. */
  #retryStep(tried: readonly Endpoint[]): Step | undefined {
    const elsewhere = this.#elsewhere(tried.at(-1)?.zone);
    if (elsewhere?.group.hasUntried(tried)) return this.#named(elsewhere);
    for (const step of this.#steps) if (step.group.hasUntried(tried)) return this.#named(step);
    return this.#panic && this.#everyone.hasUntried(tried) ? this.#panicStep() : undefined;
  }

  #named(step: Step): Step {
    return this.#panic ? { ...step, reason: "PANIC" } : step;
  }

  #panicStep(): Step | undefined {
    return this.#everyone.members.length > 0 ? { group: this.#everyone, reason: "PANIC" } : undefined;
  }

  #elsewhere(zone: string | undefined): Step | undefined {
    if (zone === undefined) return undefined;
    if (this.#ownZone !== undefined && zone !== this.#ownZone && this.#own.members.length > 0)
      return { group: this.#own, reason: "OK" };
    let group = this.#outside.get(zone);
    if (!group) {
      group = new Group(
        this.#random,
        this.#primaries.filter((endpoint) => endpoint.zone !== zone),
      );
      this.#outside.set(zone, group);
    }
    return { group, reason: "ZONE_FAILOVER" };
  }

  /** An endpoint that says no zone is everywhere at home, and so is everyone for a node without a zone. */
  #isOwn(endpoint: Endpoint): boolean {
    return this.#ownZone === undefined || endpoint.zone === undefined || endpoint.zone === this.#ownZone;
  }
}
