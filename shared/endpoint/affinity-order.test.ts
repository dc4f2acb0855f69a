import { describe, expect, it } from "vitest";
import { endpointAt, testPool } from "#test/support/pool.ts";
import { bucketCount } from "./affinity-order.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Pool } from "./pool.ts";

const zones = ["a", "b", "c"];
const endpoints = zones.flatMap((zone, z) => [1, 2].map((i) => ({ address: `10.0.${z}.${i}:80`, zone })));
const buckets = Array.from({ length: bucketCount }, (_, bucket) => bucket);

function zonesOf(pool: Pool): (string | undefined)[] {
  return buckets.map((affinity) => pool.choose({ hash: 0, affinity, tried: [] }).endpoint?.zone);
}

/** The endpoint of a try after these. */
function after(pool: Pool, tried: readonly Endpoint[], elsewhere: boolean): Endpoint | undefined {
  return pool.choose({ hash: 0, affinity: 3, tried, elsewhere }).endpoint;
}

describe("a bucket of users", () => {
  it("goes to one zone, whatever zone asks", () => {
    const all = zones.map((zone) => zonesOf(testPool({ endpoints }, { zone }).pool));
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
    for (const zone of zones) expect(all[0]?.filter((one) => one === zone).length).toBeGreaterThan(bucketCount / 6);
  });

  it("moves only when its zone goes, and back", () => {
    const { pool } = testPool({ endpoints, panicThreshold: 0 });
    const before = zonesOf(pool);
    for (const { id } of pool.endpoints.filter(({ zone }) => zone === "b")) pool.setEndpointState(id, "draining");
    const moved = zonesOf(pool);
    expect(buckets.filter((i) => moved[i] !== before[i])).toEqual(buckets.filter((i) => before[i] === "b"));
    const affinity = before.indexOf("b");
    expect(pool.choose({ hash: 0, affinity, tried: [] }).reason).toBe("ZONE_FAILOVER");
    for (const { id } of pool.endpoints) pool.setEndpointState(id, "enabled");
    expect(zonesOf(pool)).toEqual(before);
  });

  it("tries the twin after a connect that failed, else another zone", () => {
    const { pool } = testPool({ endpoints });
    const first = after(pool, [], false);
    if (!first) throw new Error("nobody was chosen");
    const twin = after(pool, [first], false);
    expect(twin?.zone).toBe(first.zone);
    expect(twin).not.toBe(first);
    expect(after(pool, [first], true)?.zone).not.toBe(first.zone);
  });

  it("takes backups when nobody else is left", () => {
    const backup = { address: "10.0.9.1:80", zone: "d", backup: true };
    const { pool } = testPool({ endpoints: [...endpoints, backup], panicThreshold: 0 });
    for (const { id, zone } of pool.endpoints) if (zone !== "d") pool.setEndpointState(id, "draining");
    const choice = pool.choose({ hash: 0, affinity: 3, tried: [] });
    expect([choice.endpoint, choice.reason]).toEqual([endpointAt(pool, 6), "BACKUP"]);
    pool.setEndpointState(backup.address, "disabled");
    expect(pool.choose({ hash: 0, affinity: 3, tried: [] }).reason).toBe("NO_HEALTHY");
  });
});
