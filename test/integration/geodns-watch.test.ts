import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKey } from "#geodns/dnssec/key-store.ts";
import { keyFlags, keyTag } from "#geodns/dnssec/rdata.ts";
import { parseName } from "#geodns/wire/name.ts";
import { UdpClient, queryBytes } from "#test/support/dns.ts";
import { mmdb } from "#test/support/mmdb.ts";

const root = path.resolve(import.meta.dirname, "../..");
const streamTest = parseName("stream.test.", "")!;
const active = { publish: 0, activate: 0, inactive: undefined, delete: undefined };
const [host, port] = ["127.206.0.1", 5353];

let folder: string;
let node: Node;

/** A name server as a process, and what it logs. */
class Node {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(...options: readonly string[]) {
    const main = path.join(root, "services/geodns/main.ts");
    this.#child = spawn(process.execPath, [main, "--config", "geodns.yaml", ...options], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#lines = createInterface(this.#child.stdout!)[Symbol.asyncIterator]();
  }

  /** The next event of one of these names. */
  async logs(...events: readonly string[]): Promise<Record<string, unknown>> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`it ended before ${events.join(" or ")}`);
      const line = JSON.parse(value) as Record<string, unknown>;
      if (events.includes(String(line["msg"]))) return line;
    }
  }

  /** Looked at after each reload. */
  async reloadsUntil(condition: () => Promise<boolean>): Promise<void> {
    do await this.logs("reloaded");
    while (!(await condition()));
  }

  hangUp(): void {
    this.#child.kill("SIGHUP");
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.kill("SIGKILL")) await once(this.#child, "exit");
  }
}

const config = `
listen: ["${host}:${port}"]
admin: "${host}:7900"
geo: {database: geo.mmdb}
regions: {eu: {location: [50, 10]}, us: {location: [40, -80]}}
steering: {countries: {DE: [eu, us], US: [us, eu]}, default: [eu, us]}
services: {web: {regions: {eu: {addresses: [192.0.2.1]}, us: {addresses: [198.51.100.1]}}}}
dnsZones:
  stream.test:
    dnssec: {keys: keys}
    soa: {primary: ns1, contact: hostmaster}
    records: {"@": {NS: [ns1]}, ns1: {A: [127.0.0.1]}, www: {geo: web}}
`;

/** All at once, so that no half of a file is read. */
async function write(name: string, content: string | Uint8Array): Promise<void> {
  const file = path.join(folder, name);
  await writeFile(`${file}.new`, content);
  await rename(`${file}.new`, file);
}

const makeKey = () => createKey(path.join(folder, "keys"), streamTest, keyFlags.entryPoint, active, 0);

async function ask(name: string, type: number) {
  using udp = new UdpClient(`${host}:${port}`);
  return (await udp.ask(queryBytes({ name, type, edns: { flags: 0x8000 } }))).answers;
}

/** Tags of the keys that are shown, and of those that sign. */
async function shown(): Promise<{ shown: number[]; signing: number[] }> {
  const answers = await ask("stream.test", 48);
  const tags = (of: number, tag: (data: Buffer) => number) =>
    answers.filter(({ type }) => type === of).map(({ data }) => tag(data));
  return { shown: tags(48, keyTag), signing: tags(46, (data) => data.readUInt16BE(16)) };
}
const region = async () => (await ask("www.stream.test", 1))[0]?.text;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-watch-"));
  await write("geo.mmdb", mmdb({ "127.0.0.0/8": "DE" }));
  await write("geodns.yaml", config);
});
afterEach(async () => {
  await node.end();
  await rm(folder, { recursive: true });
});

describe("with --watch", () => {
  it("keys that come, are damaged, mended and taken away are noticed; bad ones are refused and the old ones go on", async () => {
    const first = makeKey();
    node = new Node("--watch");
    await node.logs("started");
    expect(await shown()).toEqual({ shown: [first.key.tag], signing: [first.key.tag] });

    const second = makeKey();
    const both = [first.key.tag, second.key.tag];
    await node.reloadsUntil(async () => (await shown()).shown.length === 2);
    expect(new Set((await shown()).signing)).toEqual(new Set(both));

    await chmod(`${second.base}.private`, 0o644); // its content is as it was
    expect(String((await node.logs("reload_refused"))["error"])).toContain("chmod 600");
    expect(new Set((await shown()).signing)).toEqual(new Set(both));
    await chmod(`${second.base}.private`, 0o600);
    await node.logs("reloaded");

    for (const half of [".private", ".key"]) await rm(`${first.base}${half}`);
    await node.reloadsUntil(async () => (await shown()).shown.length === 1);
    expect(await shown()).toEqual({ shown: [second.key.tag], signing: [second.key.tag] });
  });

  it("another geo database is taken; a corrupt one is refused and the old one stays", async () => {
    makeKey();
    node = new Node("--watch");
    await node.logs("started");
    expect(await region()).toBe("192.0.2.1");
    await write("geo.mmdb", mmdb({ "127.0.0.0/8": "US" }));
    await node.logs("reloaded");
    expect(await region()).toBe("198.51.100.1");
    await write("geo.mmdb", "broken");
    expect(String((await node.logs("reload_refused"))["error"])).toContain("geo.mmdb");
    expect(await region()).toBe("198.51.100.1");
  });
});

describe.each([
  { by: "SIGHUP", reload: async () => node.hangUp() },
  { by: "POST /reload", reload: async () => void (await fetch(`http://${host}:7900/reload`, { method: "POST" })) },
])("$by", ({ reload }) => {
  it("takes new keys, and refuses a damaged one", async () => {
    const first = makeKey();
    node = new Node();
    await node.logs("started");
    const second = makeKey();
    await reload();
    await node.logs("reloaded");
    const both = new Set([first.key.tag, second.key.tag]);
    expect(new Set((await shown()).signing)).toEqual(both);
    await writeFile(`${second.base}.private`, "noise");
    await reload();
    expect(String((await node.logs("reload_refused"))["error"])).toContain(`${path.basename(second.base)}.private:1:1`);
    expect(new Set((await shown()).signing)).toEqual(both);
  });
});
