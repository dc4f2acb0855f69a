import type { Random } from "#shared/core/random.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";

const slack = 1.1; // a tenth over its share is not worth a reset

/** A connection that may be moved. */
interface Movable {
  /** "host:port" of its server. */
  readonly server: string | undefined;
  readonly ageMs: number;
}

/** Which connections to reset, so that they come back elsewhere: long ones, of servers that have clearly more than their
 * share by weight, drawn by chance so that two forwarders do not move the same client over and over.
 * @returns at most `max` of them */
export function connectionsToMove<T extends Movable>(
  connections: readonly T[],
  endpoints: readonly Endpoint[],
  { olderThanMs, max }: { readonly olderThanMs: number; readonly max: number },
  random: Random,
): T[] {
  const eligible = endpoints.filter((endpoint) => endpoint.eligible && !endpoint.backup);
  const weights = eligible.reduce((sum, { weight }) => sum + weight, 0);
  const counts = new Map(eligible.map(({ id }) => [id, 0]));
  for (const { server = "" } of connections) {
    const count = counts.get(server);
    if (count !== undefined) counts.set(server, count + 1);
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  // Ended one above the share: what comes back may well go to the same server again.
  const excess = new Map(
    eligible.map(({ id, weight }) => [
      id,
      Math.floor((counts.get(id) ?? 0) - ((total * weight) / weights) * slack - 1),
    ]),
  );
  const moved: T[] = [];
  const old = connections.filter(({ ageMs }) => ageMs >= olderThanMs);
  while (moved.length < max && old.length > 0) {
    const [drawn] = old.splice(Math.floor(random() * old.length), 1);
    const left = excess.get(drawn?.server ?? "") ?? 0;
    if (!drawn || left <= 0) continue;
    excess.set(drawn.server ?? "", left - 1);
    moved.push(drawn);
  }
  return moved;
}
