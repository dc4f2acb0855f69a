import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenTcp } from "#shared/net/listen.ts";

const root = path.resolve(import.meta.dirname, "../..");
const main = path.join(root, "services/origin/main.ts");
let folder: string;
let configFile: string;

const config = (port: number) => `admin: "127.203.0.1:0"
drain: {hold: 60s, timeout: 60s}
servers:
  - {name: web-1, service: web, address: "127.203.0.1:${port}"}
`;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-process-"));
  configFile = path.join(folder, "origin.yaml");
  await writeFile(configFile, config(0));
});
afterEach(() => rm(folder, { recursive: true }));

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
}

/** Resolves once the process has written this log event. */
async function logged(child: ChildProcess, event: string): Promise<void> {
  let seen = "";
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    seen += String(chunk);
    if (seen.includes(`"msg":"${event}"`)) return;
  }
  throw new Error(`the process ended without ${event}: ${seen}`);
}

async function exitOf(child: ChildProcess): Promise<unknown> {
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  return code ?? signal;
}

describe("a service as a process", () => {
  it("drains on SIGTERM, ends at once on a second one, with 0", async () => {
    const child = start("--config", configFile);
    await logged(child, "started");
    child.kill("SIGTERM");
    await logged(child, "draining");
    child.kill("SIGTERM"); // It would hold its listeners for a minute.
    expect(await exitOf(child)).toBe(0);
  });

  it("stops on SIGINT with 0", async () => {
    const child = start("--config", configFile);
    await logged(child, "started");
    child.kill("SIGINT");
    expect(await exitOf(child)).toBe(0);
  });

  it("ends when its launcher is gone, even if that was before it had started", async () => {
    const child = start("--config", configFile);
    child.disconnect();
    expect(await exitOf(child)).toBe(0);
  });

  for (const { name, hurry } of [
    { name: "SIGINT", hurry: (child: ChildProcess) => void child.kill("SIGINT") },
    { name: "the loss of its launcher", hurry: (child: ChildProcess) => child.disconnect() },
  ])
    it(`a drain is cut short by ${name}`, async () => {
      const child = start("--config", configFile);
      await logged(child, "started");
      child.kill("SIGTERM");
      await logged(child, "draining");
      hurry(child); // The drain alone would hold the listeners for a minute.
      expect(await exitOf(child)).toBe(0);
    });

  it("reloads on SIGHUP, and keeps the old config when the new one is broken", async () => {
    const child = start("--config", configFile);
    await logged(child, "started");
    child.kill("SIGHUP");
    await logged(child, "reloaded");
    await writeFile(configFile, "servers: {}\n");
    child.kill("SIGHUP");
    await logged(child, "reload_refused");
    child.kill("SIGINT");
    expect(await exitOf(child)).toBe(0);
  });

  it("reloads by itself with --watch", async () => {
    const child = start("--config", configFile, "--watch");
    await logged(child, "started");
    await writeFile(configFile, config(0));
    await logged(child, "reloaded");
    child.kill("SIGINT");
    expect(await exitOf(child)).toBe(0);
  });

  it("reloads with --watch a file that a link leads to, when the link is led elsewhere", async () => {
    // As Kubernetes mounts a ConfigMap: file → ..data/file, ..data → a folder of its own for every version.
    await mkdir(path.join(folder, "..first"));
    await writeFile(path.join(folder, "..first/origin.yaml"), config(0));
    await symlink("..first", path.join(folder, "..data"));
    await rm(configFile);
    await symlink("..data/origin.yaml", configFile);
    const child = start("--config", configFile, "--watch");
    await logged(child, "started");
    await mkdir(path.join(folder, "..second"));
    await writeFile(path.join(folder, "..second/origin.yaml"), config(0));
    await symlink("..second", path.join(folder, "..next"));
    await rename(path.join(folder, "..next"), path.join(folder, "..data"));
    await logged(child, "reloaded");
    child.kill("SIGINT");
    expect(await exitOf(child)).toBe(0);
  });

  for (const { name, args, says } of [
    { name: "no config", args: [], says: "give either --config FILE or --topology FILE --node NAME" },
    { name: "an unknown option", args: ["--confg", "x"], says: "(Did you mean --config?)" },
    { name: "a config that is not there", args: ["--config", "nowhere.yaml"], says: "nowhere.yaml" },
    {
      name: "a node that is not there",
      args: ["--topology", path.join(root, "infra/topology.yaml"), "--node", "ns3"],
      says: "ns",
    },
  ])
    it(`ends with 2 for ${name}, and says so`, async () => {
      const child = start(...args);
      const [said, code] = await Promise.all([text(child.stderr!), exitOf(child)]);
      expect(code).toBe(2);
      expect(said).toContain(says);
    });

  it("ends with 2 for a port in use, naming address and port", async () => {
    await using taken = await listenTcp({ address: "127.203.0.1:0", onConnection: (socket) => void socket.destroy() });
    await writeFile(configFile, config(Number(taken.address.split(":")[1])));
    const child = start("--config", configFile);
    const [said, code] = await Promise.all([text(child.stderr!), exitOf(child)]);
    expect(code).toBe(2);
    expect(said).toContain(`cannot listen on ${taken.address} (tcp): the port is already in use`);
  });
});
