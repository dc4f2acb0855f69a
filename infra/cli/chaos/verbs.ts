import { UsageError } from "#shared/core/error.ts";

export const kinds = ["server", "service", "forwarder", "router", "nameserver", "origin", "zone", "region"] as const;
/** What can be hit. */
export type Kind = (typeof kinds)[number];

export const verbs = ["kill", "stop", "pause", "drain", "slow", "cut", "heal"] as const;
export type Verb = (typeof verbs)[number];

const servers = ["kill", "stop", "pause", "drain", "slow", "heal"] as const;
const balancers = ["kill", "stop", "pause", "drain", "cut", "heal"] as const;
const everything = verbs;

/** What can be done to what. Servers are ports of their origin, which alone can be cut off; balancers answer at once or
 * not at all; and nobody sends work to a name server who could stop doing so. */
export const verbsOf: Readonly<Record<Kind, readonly Verb[]>> = {
  server: servers,
  service: servers,
  forwarder: balancers,
  router: balancers,
  nameserver: ["kill", "stop", "pause", "cut", "heal"],
  origin: everything,
  zone: everything,
  region: everything,
};

/** @throws {UsageError} saying which verbs there are for this kind */
export function checkVerb(verb: Verb, kind: Kind): void {
  const able = verbsOf[kind];
  if (!able.includes(verb)) throw new UsageError(`${verb} does nothing to a ${kind}: it takes ${able.join(", ")}`);
}
