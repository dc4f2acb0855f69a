import { fork } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { FakeNode } from "#test/support/fake-node.ts";
import { liftReason, waitReady } from "./ready.ts";
import { countRunning, endAll, lastLines, startNode } from "./spawn.ts";
import type { NodeToStart, StackProcess } from "./spawn.ts";
import { Progress, bringUp, tiersOf } from "./tiers.ts";
import { waitUntil } from "./wait.ts";

const program = path.resolve(import.meta.dirname, "../../../test/support/fake-node.ts");
const launcher = path.resolve(import.meta.dirname, "../../../test/support/fake-launcher.ts");

let stateDir = "";
let running: readonly StackProcess[] = [];
let shown = "";

beforeEach(() => {
  stateDir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-test-"));
  fs.mkdirSync(path.join(stateDir, "logs"));
  running = [];
  shown = "";
});

afterEach(async () => {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all(running.map((one) => one.exited));
  fs.rmSync(stateDir, { recursive: true });
});

async function freeAddress(): Promise<string> {
  await using listener = await listenTcp({ address: "127.201.0.1:0", onConnection: () => {} });
  return listener.address;
}

interface Fake {
  readonly name: string;
  readonly service?: string;
  readonly does: FakeNode["does"];
  readonly exitCode?: number;
}

/** Nodes with free addresses, and the argument that tells the fake program what each of them does. */
async function fakeNodes(fakes: readonly Fake[]): Promise<{ nodes: NodeToStart[]; argument: string }> {
  const behaviours: Record<string, FakeNode> = {};
  const nodes: NodeToStart[] = [];
  for (const { name, service = "origin", does, exitCode } of fakes) {
    const admin = await freeAddress();
    behaviours[name] = { admin, does, ...(exitCode === undefined ? {} : { exitCode }) };
    nodes.push({ name, service, admin });
  }
  return { nodes, argument: JSON.stringify(behaviours) };
}

async function bringUpFakes(fakes: readonly Fake[], options: { tty?: boolean } = {}) {
  const { nodes, argument } = await fakeNodes(fakes);
  const progress = new Progress({ isTTY: options.tty ?? false, write: (text) => (shown += text) });
  return bringUp(
    tiersOf(nodes),
    {
      stateDir,
      arguments: [argument],
      programOf: () => program,
      signal: new AbortController().signal,
      onStarted: (processes) => (running = [...processes]),
    },
    progress,
  );
}

describe("bringing a stack up", { timeout: 30_000 }, () => {
  it("starts tier after tier and says how long each took", async () => {
    const processes = await bringUpFakes([
      { name: "a/origin", does: "get ready" },
      { name: "b/origin", does: "get ready" },
      { name: "a/l4-1", service: "l4-forwarder", does: "get ready" },
    ]);
    expect(processes.map(({ node }) => node.name)).toEqual(["a/origin", "b/origin", "a/l4-1"]);
    expect(shown).toMatch(/^origins +2\/2 ready +\S+ m?s\nforwarders +1\/1 ready +\S+ m?s\n$/);
    expect(lastLines(path.join(stateDir, "logs", "a-origin.log"), 5)).toEqual(["a/origin starts", "a/origin listens"]);
  });

  it("rewrites the line of a tier on a terminal", async () => {
    await bringUpFakes([{ name: "a/origin", does: "get ready" }], { tty: true });
    const written = shown.split("\r\u001b[2K").map((line) => /\d\/\d ready/.exec(line)?.[0]);
    expect(written).toEqual([undefined, "0/1 ready", "1/1 ready", "1/1 ready"]);
    expect(shown.endsWith("\n")).toBe(true);
  });

  it("names the process that exits, with its last log lines and its exit code 2, and ends the others", async () => {
    const up = bringUpFakes([
      { name: "a/origin", does: "get ready" },
      { name: "a/l4-1", service: "l4-forwarder", does: "exit", exitCode: 2 },
      { name: "a/l4-2", service: "l4-forwarder", does: "stay starting" },
    ]);
    await expect(up).rejects.toMatchObject({ name: "StartError", exitCode: 2 });
    await expect(up).rejects.toThrow(
      /^a\/l4-1: cannot listen on 127\.201\.0\.1:\d+ \(tcp\): the port is already in use\n {2}a\/l4-1 starts\n {2}\(log: /,
    );
    expect(running.map((one) => one.exit !== undefined)).toEqual([true, true, true]);
  });

  it("ends with 1 where the process failed otherwise", async () => {
    const up = bringUpFakes([{ name: "a/origin", does: "exit", exitCode: 7 }]);
    await expect(up).rejects.toMatchObject({ exitCode: 1 });
  });

  it("says how a process ended that gave no reason", () => {
    const lines = ['{"level":30,"message":"started"}', "t.yaml:3:1 balance: expected a name"];
    expect(liftReason("ns1", "exited with 2", lines)).toEqual({ headline: "ns1 exited with 2", rest: lines });
  });

  it("says what a process that does not get ready answers", async () => {
    const { nodes, argument } = await fakeNodes([{ name: "a/origin", does: "stay starting" }]);
    const [node] = nodes;
    running = [startNode(node!, { stateDir, arguments: [argument], programOf: () => program })];
    await waitUntil(() => lastLines(running[0]!.logFile, 1)[0] === "a/origin listens", 20_000);
    await expect(waitReady(running, { limitMs: 200, onProgress: () => {} })).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/^a\/origin is not ready after 0.2 s: 503 .*first health round/),
    });
  });
});

describe("ending a stack", { timeout: 30_000 }, () => {
  it("kills whoever does not stop in time, and says who", async () => {
    const processes = await bringUpFakes([
      { name: "a/origin", does: "get ready" },
      { name: "b/origin", does: "ignore SIGINT" },
    ]);
    expect(countRunning(processes)).toBe(2);
    expect(await endAll(processes, 1_000)).toEqual(["b/origin"]);
    expect(countRunning(processes)).toBe(0);
    expect(processes.map((one) => one.exit?.signal)).toEqual(["SIGINT", "SIGKILL"]);
  });

  it("leaves nobody behind when the launcher is killed", async () => {
    const { nodes, argument } = await fakeNodes([
      { name: "a/origin", does: "get ready" },
      { name: "b/origin", does: "ignore SIGINT" },
    ]);
    const child = fork(launcher, [stateDir, program, JSON.stringify(nodes), argument], { execArgv: [] });
    await once(child, "message");
    const sockets = nodes.map(({ admin }) => net.connect(parseSocketAddress(admin)!));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    const gone = sockets.map((socket) =>
      once(
        socket.on("error", () => {}),
        "close",
      ),
    );
    child.kill("SIGKILL");
    await expect(Promise.all(gone)).resolves.toHaveLength(2);
  });
});
