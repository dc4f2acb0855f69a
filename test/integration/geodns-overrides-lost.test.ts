import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UdpClient, queryBytes } from "#test/support/dns.ts";

const root = path.resolve(import.meta.dirname, "../..");
const [host, port] = ["127.206.0.1", 5353];
const diskBytes = 16_384;
const isRoot = process.getuid?.() === 0;
let folder: string;
let node: ChildProcess;

const config = `
listen: ["${host}:${port}"]
admin: "${host}:7900"
overrides: disk/state.yaml
regions: {eu: {location: [50, 10]}, us: {location: [40, -80]}}
steering: {default: [eu, us]}
services: {web: {regions: {eu: {addresses: [192.0.2.1]}, us: {addresses: [198.51.100.1]}}}}
dnsZones:
  stream.test:
    soa: {primary: ns1, contact: hostmaster}
    records: {"@": {NS: [ns1]}, ns1: {A: [127.0.0.1]}, www: {geo: web}}
`;

/** A name server as a process. Its overrides lie on a disk of its own, which only it sees: other folders stay as they are.
 * @param prepare a command of the shell, run in the folder before */
async function start(prepare: string): Promise<void> {
  const main = path.join(root, "services/geodns/main.ts");
  const command = `${prepare} && exec "$0" "$@"`;
  const argv = ["sh", "-c", command, process.execPath, main, "--config", "geodns.yaml"];
  node = spawn(isRoot ? "unshare" : "env", [...(isRoot ? ["-m"] : []), ...argv], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface(node.stdout!)) if (line.includes('"msg":"started"')) break;
  expect(node.exitCode).toBeNull();
  node.stdout!.resume();
}

async function kill(): Promise<void> {
  if (node.exitCode === null && node.kill("SIGKILL")) await once(node, "exit");
}

async function post(target: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${host}:7900${target}`, { method: "POST" });
  return { status: response.status, text: await response.text() };
}

async function answered(): Promise<string | undefined> {
  using udp = new UdpClient(`${host}:${port}`);
  return (await udp.ask(queryBytes())).answers[0]?.text;
}

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-lost-"));
  await writeFile(path.join(folder, "geodns.yaml"), config);
});
afterEach(async () => {
  await kill();
  await rm(folder, { recursive: true });
});

describe("what operators set", () => {
  it("outlasts a name server that is killed, right after it said that it is kept", async () => {
    await start("mkdir -p disk");
    for (const state of ["drain", "down", "auto", "down"]) {
      expect(await post(`/regions/eu/${state}`)).toMatchObject({ status: 200 });
      await kill();
      await start("mkdir -p disk");
      expect(await answered()).toBe(state === "auto" ? "192.0.2.1" : "198.51.100.1");
    }
    expect(await readdir(path.join(folder, "disk"))).toEqual(["state.yaml"]); // and nothing half written beside it
    expect(await readFile(path.join(folder, "disk/state.yaml"), "utf8")).toContain("eu: down");
  });

  it.skipIf(!isRoot)(
    "is refused whole where the disk is full or nearly so, and what was kept before stays (skipped without root)",
    async () => {
      // A long comment, so that the disk has room for a part of the new file, which a single write would take for the whole.
      const notes = Array<string>(150)
        .fill(`# ${"why ".repeat(15)}`)
        .join("\\n");
      const mount = `mkdir -p disk && mount -t tmpfs -o size=${diskBytes} none disk`;
      await start(`${mount} && printf '${notes}\\nregions: {eu: drain}\\n' >disk/state.yaml`);
      expect(await answered()).toBe("198.51.100.1");
      const refused = await post("/regions/us/drain");
      expect(refused).toMatchObject({ status: 400 });
      expect(refused.text).toContain("nothing was changed: cannot write");
      expect(refused.text).toContain("ENOSPC");
      expect(await answered()).toBe("198.51.100.1");
      const status = (await (await fetch(`http://${host}:7900/status`)).json()) as { overrides: unknown };
      expect(status.overrides).toMatchObject({ error: null, regions: { eu: "drain" } });
      // The file is whole: the next change is made of it.
      expect((await post("/reload")).status).toBe(200);
      expect(await answered()).toBe("198.51.100.1");
    },
  );
});
