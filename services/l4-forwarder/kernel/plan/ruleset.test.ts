import { describe, expect, it } from "vitest";
import type { KernelService, KernelTable } from "./model.ts";
import { markOf, writeRemoval, writeSlots, writeTable } from "./ruleset.ts";

const web: KernelService = {
  name: "web_1",
  comment: "pool web, weighted, tcp 10.0.0.5:7001",
  host: "10.0.0.5",
  port: 7_001,
  protocol: "tcp",
  servers: [
    { id: 1, address: "10.0.0.11:9000", host: "10.0.0.11", port: 9_000, comment: 'web-1 "eins" 10.0.0.11:9000' },
    { id: 2, address: "10.0.0.12:9000", host: "10.0.0.12", port: 9_000, comment: "web-2 10.0.0.12:9000" },
  ],
  connectionsMax: 100,
  source: { kind: "masquerade" },
  plan: { by: "inc", slots: [1, 0, 1] },
};
const dns: KernelService = {
  name: "dns_2",
  comment: "pool dns, ip-hash, udp [fd00::5]:53",
  host: "fd00::5",
  port: 53,
  protocol: "udp",
  servers: [{ id: 3, address: "[fd00::11]:53", host: "fd00::11", port: 53, comment: "[fd00::11]:53" }],
  connectionsMax: undefined,
  source: { kind: "address", host: "fd00::5" },
  plan: { by: "hash", slots: [0, 0, 0] },
};
const table: KernelTable = {
  name: "watershed_1a2b3c4d",
  comment: "L4 forwarder eu-west-a/l4-1",
  tag: 0x3c4d,
  services: [web, dns],
  limits: { connectionsPerClient: 256, connectionsPerSecondPerClient: 100, burst: 200 },
  timeouts: { idle: 300, halfClosed: 60, udpIdle: 30 },
};

// Goldens: written by writeTable and writeSlots, read by a person, and taken by nft 1.0.6 on Linux 6.18, 2026-11-25.
describe("the ruleset", () => {
  it("of a TCP service with a cap and of a UDP service over IPv6, with every limit", async () => {
    await expect(writeTable(table)).toMatchFileSnapshot("goldens/everything.nft");
  });

  it("of one plain service", async () => {
    const plain = { ...web, connectionsMax: undefined, source: { kind: "keep" } } as const;
    const text = writeTable({ ...table, services: [plain], limits: {}, timeouts: undefined });
    await expect(text).toMatchFileSnapshot("goldens/plain.nft");
  });

  it("of no service is a table that does nothing", async () => {
    await expect(writeTable({ ...table, services: [] })).toMatchFileSnapshot("goldens/nothing.nft");
  });

  it("changes the servers of one service by one map", () => {
    expect(writeSlots(table, { ...web, connectionsMax: undefined, plan: { by: "random", slots: [0, 1] } })).toBe(
      [
        "flush chain inet watershed_1a2b3c4d web_1",
        "flush map inet watershed_1a2b3c4d web_1_slots",
        "add rule inet watershed_1a2b3c4d web_1 numgen random mod 2 vmap @web_1_slots",
        "add element inet watershed_1a2b3c4d web_1_slots { 0 : jump web_1_server_1, 1 : jump web_1_server_2 }",
        "",
      ].join("\n"),
    );
  });

  it("gives a service without an eligible server no slot, so that its closed port answers", () => {
    const text = writeSlots(table, { ...web, plan: { by: "inc", slots: [] } });
    expect(text).toBe("flush chain inet watershed_1a2b3c4d web_1\nflush map inet watershed_1a2b3c4d web_1_slots\n");
  });

  it("tells two forwarders and their servers apart by the mark", () => {
    expect(markOf(table, web.servers[1]!)).toBe("0x3c4d0002");
    expect(markOf({ ...table, tag: 0xffff }, web.servers[1]!)).toBe("0xffff0002");
  });

  it("is removed whether it was there or not", () => {
    expect(writeRemoval(table)).toBe("add table inet watershed_1a2b3c4d\ndelete table inet watershed_1a2b3c4d\n");
  });
});
