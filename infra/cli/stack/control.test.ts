import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { listenTcp } from "#shared/net/listen.ts";
import type { FakeNode } from "#test/support/fake-node.ts";
import { askLauncher, listenControl } from "./control.ts";
import { Roster } from "./roster.ts";
import { lastLines, startNode } from "./spawn.ts";
import type { StackProcess } from "./spawn.ts";
import { controlFile } from "./state.ts";

const program = path.resolve(import.meta.dirname, "../../../test/support/fake-node.ts");

let dir = "";
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-test-"));
  fs.mkdirSync(path.join(dir, "logs"));
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

describe("the launcher's socket", () => {
  it("hands a command over, and back what came of it", async () => {
    const asked: unknown[] = [];
    await using _ = await listenControl(dir, (request) => {
      asked.push(request);
      return request.node === "ns1" ? Promise.resolve({ pid: 7 }) : Promise.reject(new Error("there is no node ns9"));
    });
    expect(await askLauncher(dir, { do: "start", node: "ns1" })).toMatchObject({ pid: 7 });
    await expect(askLauncher(dir, { do: "restart", node: "ns9" })).rejects.toThrow(
      "the launcher: there is no node ns9",
    );
    expect(asked).toEqual([
      { do: "start", node: "ns1" },
      { do: "restart", node: "ns9" },
    ]);
    expect(fs.statSync(controlFile(dir)).mode & 0o077).toBe(0);
  });

  it.each(["no json", '{"do":"kill","node":"ns1"}', "{}"])("refuses %s", async (line) => {
    await using _ = await listenControl(dir, () => Promise.resolve({ pid: 7 }));
    const socket = net.connect(controlFile(dir)).setEncoding("utf8");
    socket.write(`${line}\n`);
    const [reply] = (await once(socket, "data")) as [string];
    socket.destroy();
    expect(JSON.parse(reply)).toMatchObject({ ok: false });
  });

  it("says where there is no launcher, also behind what a killed one left", async () => {
    await expect(askLauncher(dir, { do: "start", node: "ns1" })).rejects.toThrow("no launcher is up here");
    fs.writeFileSync(controlFile(dir), "");
    await expect(askLauncher(dir, { do: "start", node: "ns1" })).rejects.toThrow("no launcher is up here");
    await using _ = await listenControl(dir, () => Promise.resolve({ pid: 7 }));
    expect(await askLauncher(dir, { do: "start", node: "ns1" })).toMatchObject({ pid: 7 });
  });
});

describe("a node that was killed", { timeout: 30_000 }, () => {
  let started: StackProcess[] = [];
  afterEach(async () => {
    for (const one of started) one.signal("SIGKILL");
    await Promise.all(started.map(({ exited }) => exited));
    started = [];
  });

  async function rosterOfOne(stopping = new AbortController().signal): Promise<Roster> {
    await using free = await listenTcp({ address: "127.201.0.2:0", onConnection: () => {} });
    const behaviours: Record<string, FakeNode> = { ns1: { admin: free.address, does: "get ready" } };
    const options = { stateDir: dir, arguments: [JSON.stringify(behaviours)], programOf: () => program };
    const first = startNode({ name: "ns1", service: "geodns", admin: free.address }, options);
    started.push(first);
    return new Roster([first], { ...options, stopping, onStarted: (one) => started.push(one) });
  }

  it("is started again by the launcher, at the end of its log", async () => {
    const roster = await rosterOfOne();
    const [first] = started;
    expect(await roster.handle({ do: "start", node: "ns1" })).toBe(first); // It runs.
    first?.signal("SIGKILL");
    await first?.exited;
    fs.appendFileSync(first?.logFile ?? "", "last words\n");
    const again = await roster.handle({ do: "start", node: "ns1" });
    expect(again.pid).not.toBe(first?.pid);
    expect(roster.processes).toEqual([again]);
    expect(started).toEqual([first, again]);
    expect(lastLines(again.logFile, 10)).toContain("last words");
  });

  it("is ended first where a restart is wanted, once however many ask at the same time", async () => {
    const roster = await rosterOfOne();
    const [first] = started;
    const [second, third] = await Promise.all([
      roster.handle({ do: "restart", node: "ns1" }),
      roster.handle({ do: "start", node: "ns1" }),
    ]);
    expect(first?.exit).toBeDefined();
    expect(third).toBe(second);
    expect(started).toEqual([first, second]);
  });

  it("stays dead while the stack is ending, and an unknown one is refused", async () => {
    const roster = await rosterOfOne(AbortSignal.abort());
    started[0]?.signal("SIGKILL");
    await started[0]?.exited;
    await expect(roster.handle({ do: "start", node: "ns1" })).rejects.toThrow("the stack is ending");
    await expect(roster.handle({ do: "start", node: "ns7" })).rejects.toThrow("there is no node ns7 here");
    expect(started).toHaveLength(1);
  });
});
