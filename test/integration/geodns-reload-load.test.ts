import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { mmdb } from "#test/support/mmdb.ts";
import { hasClient } from "#test/support/real-clients.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../..");
const [host, port] = ["127.205.0.1", "5353"];
const admin = `http://${host}:7900`;
const loadSeconds = 4;
const queriesPerSecond = 2_000;
const reloadsMin = 8;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-reload-"));
});
afterEach(() => rm(folder, { recursive: true }));

const config = (revision: number) => `
listen: ["${host}:${port}"]
admin: "${host}:7900"
geo: {database: geo.mmdb}
regions: {eu: {location: [50, 10]}, us: {location: [40, -80]}}
steering: {countries: {DE: [eu, us], US: [us, eu]}, default: [eu, us]}
services: {web: {regions: {eu: {addresses: [192.0.2.1]}, us: {addresses: [198.51.100.1]}}}}
dnsZones:
  stream.test:
    soa: {primary: ns1, contact: hostmaster}
    records: {"@": {NS: [ns1]}, ns1: {A: [127.0.0.1]}, www: {geo: web}, revision: {TXT: ["${revision}"]}}
  file.test: {file: file.test.zone}
`;
const zone = (revision: number) => `@ 60 SOA ns h ${revision} 1h 1h 1h 30\n NS ns\nns A 192.0.2.1\n`;

/** All at once, so that no half of a file is read. */
async function write(name: string, content: string | Uint8Array): Promise<void> {
  const file = path.join(folder, name);
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

async function writeAll(revision: number): Promise<void> {
  const country = revision % 2 === 0 ? "DE" : "US";
  await write("geo.mmdb", mmdb({ "127.0.0.0/8": country }));
  await write("file.test.zone", zone(revision));
  await write("geodns.yaml", config(revision));
}

it.skipIf(!hasClient("dnsperf"))(
  "config, zone file and geo database change under load: no query is lost, and what is broken is refused (skipped without dnsperf)",
  async () => {
    await writeAll(0);
    const node = spawn(
      process.execPath,
      [path.join(root, "services/geodns/main.ts"), "--config", path.join(folder, "geodns.yaml")],
      { cwd: folder, stdio: ["ignore", "pipe", "inherit"] },
    );
    try {
      for await (const line of createInterface(node.stdout)) if (line.includes('"msg":"started"')) break;
      expect(node.exitCode).toBeNull();
      node.stdout.resume();
      await write("queries", "www.stream.test A\nns.file.test A\nno.stream.test A\nns1.stream.test A\n");
      const options = `-s ${host} -p ${port} -l ${loadSeconds} -Q ${queriesPerSecond} -c 4 -q 100`.split(" ");
      const load = run("dnsperf", [...options, "-d", path.join(folder, "queries")]);
      let isOver = false;
      void load.finally(() => (isOver = true));
      let reloads = 0;
      for (let revision = 1; !isOver; revision++) {
        await writeAll(revision);
        if (revision % 4 === 0) await write("file.test.zone", "broken\n");
        const { status } = await fetch(`${admin}/reload`, { method: "POST" });
        expect(status).toBe(revision % 4 === 0 ? 400 : 200);
        reloads++;
      }
      const { stdout } = await load;
      const figure = (name: string) => Number(new RegExp(`Queries ${name}: +(\\d+)`).exec(stdout)?.[1]);
      expect(figure("lost")).toBe(0);
      expect(figure("completed")).toBe(figure("sent"));
      expect(figure("completed")).toBeGreaterThan((loadSeconds * queriesPerSecond) / 2);
      expect(/Response codes: +(.*)/.exec(stdout)?.[1]).toMatch(
        /^NOERROR \d+ \(7\d\.\d+%\), NXDOMAIN \d+ \(2\d\.\d+%\)$/,
      );
      expect(reloads).toBeGreaterThanOrEqual(reloadsMin);
    } finally {
      if (node.kill("SIGKILL")) await once(node, "exit");
    }
  },
  30_000,
);
