import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createKey } from "#geodns/dnssec/key-store.ts";
import { keyFlags, keyTag } from "#geodns/dnssec/rdata.ts";
import { parseName } from "#geodns/wire/name.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { GeodnsBench, dnsZone, german } from "#test/support/geodns.ts";

const streamTest = parseName("stream.test.", "")!;
const active = { publish: 0, activate: 0, inactive: undefined, delete: undefined };

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "watershed-rollover-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("as time goes by", () => {
  const hour = 3_600;
  const startSeconds = Date.UTC(2027, 0, 1) / 1_000;
  const dnskey = 48;
  const ask = async (server: GeodnsBench, type: number) => {
    const { answers } = await server.ask(german, { type, name: "stream.test", edns: { flags: 0x8000 } });
    const rrsigs = answers.filter((record) => record.type === 46).map(({ data }) => data);
    return {
      tags: answers.filter((record) => record.type === dnskey).map(({ data }) => keyTag(data)),
      signedBy: rrsigs.map((data) => data.readUInt16BE(16)),
      expiration: rrsigs[0]!.readUInt32BE(8),
    };
  };
  const at = async (clock: FakeClock, seconds: number) => {
    vi.setSystemTime((startSeconds + seconds) * 1_000);
    await clock.advance(60_000);
  };

  it("signatures are made anew before they end, and keys come and go by their times", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: startSeconds * 1_000 });
    const clock = new FakeClock();
    await using server = await GeodnsBench.open(93);
    try {
      const own = path.join(folder, "rolled");
      const [activate, inactive, end] = [100, 110, 120].map((hours) => startSeconds + hours * hour);
      const old = createKey(own, streamTest, keyFlags.entryPoint, { ...active, inactive, delete: end }, 0).key.tag;
      const next = createKey(
        own,
        streamTest,
        keyFlags.entryPoint,
        { ...active, publish: startSeconds + hour, activate },
        0,
      );
      const { tag } = next.key;
      const zone = { ...dnsZone({ www: { A: ["192.0.2.1"] } }), dnssec: { keys: own, validity: "4d" } };
      await server.start(server.config({ services: {}, dnsZones: { "stream.test": zone } }), { clock });

      const first = await ask(server, 6);
      expect(first).toMatchObject({ signedBy: [old] });
      expect(first.expiration - startSeconds).toBeGreaterThan(90 * hour);
      await at(clock, 40 * hour);
      expect(await ask(server, 6)).toEqual(first);
      await at(clock, 50 * hour);
      expect((await ask(server, 6)).expiration - first.expiration).toBeGreaterThan(40 * hour);

      const seen = [];
      for (const hours of [51, 101, 111, 121]) {
        await at(clock, hours * hour);
        const { tags, signedBy } = await ask(server, dnskey);
        seen.push({
          tags: new Set(tags),
          signedBy: new Set(signedBy),
          soa: new Set((await ask(server, 6)).signedBy),
        });
      }
      const both = new Set([old, tag]);
      expect(seen).toEqual([
        { tags: both, signedBy: new Set([old]), soa: new Set([old]) },
        { tags: both, signedBy: both, soa: both },
        { tags: both, signedBy: new Set([tag]), soa: new Set([tag]) },
        { tags: new Set([tag]), signedBy: new Set([tag]), soa: new Set([tag]) },
      ]);
    } finally {
      vi.useRealTimers();
    }
  });
});
