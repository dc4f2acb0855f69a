import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "#shared/config/load.ts";
import { messageOf } from "#shared/core/error.ts";
import { geodns } from "#geodns/service.ts";
import { bad, badOverrides, zoneKey } from "#test/support/bad-geodns-files.ts";
import type { Bad } from "#test/support/geodns-files.ts";
import { UdpClient, queryBytes } from "#test/support/dns.ts";
import { configWith, fileAt, folder, host, remove, write, writeAll, zone } from "#test/support/geodns-files.ts";
import { testHost } from "#test/support/host.ts";
import { mmdb } from "#test/support/mmdb.ts";

const root = path.resolve(import.meta.dirname, "../..");

function expectLines(message: string, says: Bad["says"]): void {
  const lines = message.replaceAll(`${folder}/`, "").split("\n");
  expect(lines).toEqual(says.map((one) => (typeof one === "string" ? one : (expect.stringMatching(one) as string))));
  for (const line of lines) expect(line).toMatch(/^[^:]+:\d+:\d+[: ]/);
}

const load = () => loadConfig(fileAt("geodns.yaml"), geodns.schema);

beforeEach(writeAll);
afterAll(() => fs.rmSync(folder, { recursive: true }));

describe("a bad file is refused, with its place", () => {
  it.each([...bad, ...badOverrides])("at the start and by --check: $name", async ({ damage, says }) => {
    damage();
    const refusals = await Promise.allSettled([
      (async () => geodns.check!(load()))(),
      (async () => geodns.start(load(), testHost()))(),
    ]);
    for (const refusal of refusals) {
      expect(refusal.status).toBe("rejected");
      if (refusal.status === "rejected") expectLines(messageOf(refusal.reason), says);
    }
  });

  it("and so by the command line", () => {
    remove("secrets");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["infra/cli/main.ts", "check", fileAt("geodns.yaml")],
      {
        cwd: root,
        encoding: "utf8",
      },
    );
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expectLines(stderr.trimEnd(), [
      "geodns.yaml:5:23 cookies.secretFile: expected a file of secrets secrets, got none: there is no such file (openssl rand -hex 16 makes one)",
    ]);
  });

  it("what is right passes", async () => {
    expect(await geodns.check!(load())).toEqual([]);
  });
});

describe("a running name server refuses it, and answers as before", () => {
  let child: ReturnType<typeof spawn>;
  let lines: AsyncIterator<string>;

  beforeAll(async () => {
    writeAll();
    child = spawn(process.execPath, ["services/geodns/main.ts", "--config", fileAt("geodns.yaml"), "--watch"], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
    await logged("started");
  });
  afterAll(async () => {
    if (child.exitCode === null && child.kill("SIGKILL")) await once(child, "exit");
  });

  async function logged(...events: readonly string[]): Promise<Record<string, unknown>> {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`it ended before ${events.join(" or ")}`);
      const line = JSON.parse(value) as Record<string, unknown>;
      if (events.includes(String(line["msg"]))) return line;
    }
  }

  const reload = async () =>
    (await fetch(`http://${host}:7900/reload`, { method: "POST" })).json() as Promise<{ error: string }>;
  const firstAnswer = async () => {
    using udp = new UdpClient(`${host}:5353`);
    const reply = await udp.ask(queryBytes({ name: "www.filed.test", type: 1 }));
    return reply.answers[0]?.text;
  };

  it.each(bad)("POST /reload: $name", async ({ damage, says }) => {
    damage();
    expectLines((await reload()).error, says);
    expect(await firstAnswer()).toBe("192.0.2.1");
  });

  it.each(["admin", "node", "workers"])("what only a restart changes: %s", async (changed) => {
    const text = {
      admin: [`"${host}:7900"`, `"${host}:7901"`],
      node: ["regions:", "node: x\nregions:"],
      workers: ["regions:", "workers: 2\nregions:"],
    }[changed]!;
    configWith(text[0]!, text[1]!);
    const place = changed === "admin" ? "2:8" : `7:${changed.length + 3}`;
    expectLines((await reload()).error, [
      new RegExp(
        `^geodns.yaml:${place} ${changed}: expected .*, as it was, got .* \\(it changes only by a restart\\)$`,
      ),
    ]);
    expect(await firstAnswer()).toBe("192.0.2.1");
  });

  it("SIGHUP", async () => {
    remove("secrets");
    child.kill("SIGHUP");
    let told = "";
    // The watch of the files before this one may still be telling what it saw.
    while (!told.includes("cookies.secretFile: expected a file"))
      told = String((await logged("reload_refused"))["error"]);
    expect(told).toContain("geodns.yaml:5:23 ");
    expect(await firstAnswer()).toBe("192.0.2.1");
  });

  it("watching the files of a config that was refused: it is tried again when one is mended", async () => {
    const sound = mmdb({ "127.0.0.0/8": "FR" });
    write("other.mmdb", "noise");
    configWith("geo.mmdb", "other.mmdb");
    let told = "";
    while (!told.includes("other.mmdb, got none")) told = String((await logged("reload_refused"))["error"]);
    write("other.mmdb", sound);
    await logged("reloaded");
    expect(await firstAnswer()).toBe("192.0.2.1");
  });

  it("watching the files", async () => {
    write("filed.zone", `${zone}a A 192.0.2\n`);
    let told = "";
    while (!told.includes("filed.zone:4:5")) told = String((await logged("reload_refused"))["error"]);
    expect(told).toContain(zoneKey.replace("geodns", `${folder}/geodns`));
    expect(await firstAnswer()).toBe("192.0.2.1");
  });
});
