import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { healthSchema } from "#shared/config/schema/common.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import type { CheckTarget } from "../check.ts";
import { checkExec } from "./exec.ts";

const soon = () => AbortSignal.timeout(5_000);

function listening(onConnection: (socket: Socket) => void): Promise<TcpListener> {
  return listenTcp({
    address: "127.0.0.1:0",
    onConnection(socket) {
      socket.on("error", () => {});
      onConnection(socket);
    },
  });
}
const portOf = (listener: TcpListener) => parseSocketAddress(listener.address)?.port;

describe("exec check", () => {
  const target: CheckTarget = { host: "192.0.2.1", port: 8080 };
  const running = (...command: readonly string[]) =>
    healthSchema.parse({ type: "exec", command: [process.execPath, "-e", ...command], timeout: "5s" });
  const run = (script: string, signal = soon(), ...words: readonly string[]) =>
    checkExec(target, running(script, ...words), signal);

  it.each([
    { name: "0 passes", script: "", result: { passed: true, reason: "OK", detail: "ended with 0" } },
    {
      name: "what it says first is told",
      script: "console.log('lag 3 s\\nmore')",
      result: { passed: true, reason: "OK", detail: "ended with 0: lag 3 s" },
    },
    {
      name: "another number says CHECK_STATUS",
      script: "console.error('no replica'); process.exitCode = 2",
      result: { passed: false, reason: "CHECK_STATUS", detail: "ended with 2: no replica" },
    },
    {
      name: "a signal says CHECK_FAILED",
      script: "process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 9e4)",
      result: { passed: false, reason: "CHECK_FAILED", detail: "ended by SIGTERM" },
    },
    {
      name: "too much output ends it",
      script: "setInterval(() => console.log('x'.repeat(10000)), 0)",
      result: { passed: false, reason: "CHECK_FAILED", detail: "the program wrote over 65536 bytes" },
    },
  ])("$name", async ({ script, result }) => {
    expect(await run(script)).toEqual(result);
  });

  it("is told the target in its arguments and its environment, and nothing else", async () => {
    const script = "console.log(process.argv[1], process.env.WATERSHED_ADDRESS, process.env.HOME ?? 'no home')";
    expect(await run(script, soon(), "{address}:{port}")).toMatchObject({
      detail: "ended with 0: 192.0.2.1:8080 192.0.2.1 no home",
    });
  });

  it("knows no shell: what a shell would run is an argument", async () => {
    expect(await run("console.log(process.argv[1])", soon(), "$(id); `id` | id")).toMatchObject({
      detail: "ended with 0: $(id); `id` | id",
    });
  });

  it("is killed with its time, and with it what it has started", async () => {
    const outOfTime = new AbortController();
    await using listener = await listening((socket) => socket.once("data", () => outOfTime.abort()));
    const gone = Promise.withResolvers<void>();
    const port = portOf(listener);
    await using watcher = await listening((socket) => void socket.on("close", () => gone.resolve()));
    const child = `const net = require('net'); net.connect(${portOf(watcher)}, '127.0.0.1', () => net.connect(${port}, '127.0.0.1').write('x'))`;
    const script = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}]); setTimeout(() => {}, 9e4)`;
    expect(await run(script, outOfTime.signal)).toMatchObject({ passed: false, reason: "CHECK_TIMEOUT" });
    await gone.promise;
  });

  it("says CHECK_TIMEOUT when its time is over before it began", async () => {
    expect(await run("", AbortSignal.abort())).toMatchObject({ passed: false, reason: "CHECK_TIMEOUT" });
  });

  it("is inconclusive where this machine cannot run the program", async () => {
    const command = ["/nowhere/check"];
    expect(await checkExec(target, { ...running(""), command }, soon())).toEqual({
      passed: false,
      reason: "CHECK_FAILED",
      detail: "/nowhere/check: ENOENT",
      inconclusive: true,
    });
  });

  it("runs 16 programs at a time; those whose turn does not come say nothing of their targets", async () => {
    const over = new AbortController();
    const results = Array.from({ length: 18 }, () => run("setTimeout(() => {}, 9e4)", over.signal));
    setImmediate(() => over.abort());
    const settled = await Promise.all(results);
    expect(settled.filter(({ inconclusive }) => inconclusive)).toHaveLength(2);
    expect(settled.filter(({ reason }) => reason === "CHECK_TIMEOUT")).toHaveLength(18);
    expect(await run("")).toMatchObject({ passed: true });
  });
});

describe("the config of a check", () => {
  it.each([
    { health: { type: "exec" }, says: "an exec check needs the program that it runs" },
    { health: { type: "tcp", command: ["/bin/true"] }, says: "only an exec check runs a program" },
    {
      health: { type: "exec", command: ["true"] },
      says: "must begin with the whole path of a program (no shell looks for it)",
    },
    { health: { type: "tcp", expectBody: "x" }, says: "only an http check reads a body" },
  ])("$health: $says", ({ health, says }) => {
    expect(healthSchema.safeParse(health).error?.issues.map(({ message }) => message)).toEqual([says]);
  });
});
