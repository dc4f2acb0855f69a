import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UdpClient, queryBytes } from "#test/support/dns.ts";
import { GeodnsBench, dnsZone } from "#test/support/geodns.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-zone-"));
});
afterEach(() => rm(folder, { recursive: true }));

describe("a zone file", () => {
  it("is served, reloaded, and refused with its line while the old records go on answering", async () => {
    const file = path.join(folder, "file.test.zone");
    const include = path.join(folder, "hosts.inc");
    await writeFile(file, "@ 60 SOA ns h 1 1h 1h 1h 30\n NS ns\n$INCLUDE hosts.inc\n");
    await writeFile(include, "ns A 192.0.2.1\n");
    await using bench = await GeodnsBench.open(221);
    const changes = { dnsZones: { "stream.test": dnsZone(), "file.test": { file } } };
    await bench.start(bench.config(changes));
    using client = new UdpClient(bench.address);
    const address = async () => (await client.ask(queryBytes({ name: "ns.file.test" }))).answers[0]?.text;
    expect(await address()).toBe("192.0.2.1");
    expect(bench.server.files()).toEqual([file, include]);

    await writeFile(include, "ns A 192.0.2.256\n");
    await expect(bench.server.reload(bench.config(changes))).rejects.toThrow(
      `${include}:1:6: expected an IPv4 address`,
    );
    expect(await address()).toBe("192.0.2.1");

    await writeFile(include, "ns A 192.0.2.2\n");
    await bench.server.reload(bench.config(changes));
    expect(await address()).toBe("192.0.2.2");
  });
});
