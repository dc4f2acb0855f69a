import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { quickChecks } from "#test/support/forwarder.ts";
import { TcpServer, connect, greetAndEcho, read, readLine } from "#test/support/tcp.ts";

const host = "127.66.4.6"; // apart from whatever else listens on this machine
const main = path.resolve(import.meta.dirname, "../../services/l4-forwarder/main.ts");
const descriptors = 60;
const connections = 10; // of (60 − an eighth − 32) / 2

let folder: string;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-descriptors-"));
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

describe("a forwarder that runs short of file descriptors", () => {
  it("carries what it can, refuses the others, blames no server, and answers its operator", async () => {
    await using server = await TcpServer.start(greetAndEcho("web"), host);
    const { admin, listener } = await startForwarder(server.address);
    const ask = async (what: string) => (await fetch(`http://${admin}/${what}`)).text();
    const clients = await Promise.all(Array.from({ length: 4 * connections }, () => connect(listener)));
    const greeted = await Promise.allSettled(clients.map(readLine));
    expect(greeted.filter(({ status }) => status === "fulfilled")).toHaveLength(connections);
    const carried = clients.filter((_, i) => greeted[i]?.status === "fulfilled");
    for (const client of carried) client.write("x");
    expect((await Promise.all(carried.map((client) => read(client, 1)))).map(String)).toEqual(carried.map(() => "x"));
    expect(JSON.parse(await ask("status"))).toMatchObject({ pools: [{ eligible: 1, endpoints: [{ reason: "OK" }] }] });
    const refused = (await ask("metrics")).match(/^watershed_l4_connections_total{.*reason="LIMIT_REACHED".*} (\d+)$/m);
    expect(Number(refused?.[1])).toBe(clients.length - connections);

    for (const client of clients) client.destroy();
    while (!(await isCarried(listener))); // As soon as the forwarder has seen that they left.
  });
});

async function isCarried(listener: string): Promise<boolean> {
  const client = await connect(listener);
  const line = await readLine(client).catch(() => "");
  client.destroy();
  return line === "web";
}

async function startForwarder(server: string): Promise<{ admin: string; listener: string }> {
  const file = path.join(folder, "l4-forwarder.yaml");
  const config = {
    admin: `${host}:0`,
    listeners: [{ address: `${host}:0`, pool: "web" }],
    pools: { web: { endpoints: [{ address: server }], health: { ...quickChecks, timeout: "5s" }, panicThreshold: 0 } },
  };
  await writeFile(file, JSON.stringify(config)); // JSON is YAML.
  const script = `ulimit -n ${descriptors}; exec "$0" "$@"`;
  const args = ["-c", script, process.execPath, main, "--config", file];
  child = spawn("sh", args, { stdio: ["ignore", "pipe", "inherit", "ipc"] }); // It ends with its launcher.
  return addressesOf(child);
}

/** Of the admin API and of the listener, out of the log, once both are open. */
async function addressesOf(child: ChildProcess): Promise<{ admin: string; listener: string }> {
  let log = "";
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    log += String(chunk);
    const admin = /"admin":"([^"]+)".*"started"/.exec(log)?.[1];
    const listener = /"listener":"([^"]+)".*"listener_open"/.exec(log)?.[1];
    if (admin && listener) return { admin, listener };
  }
  throw new Error(`the forwarder ended: ${log}`);
}
