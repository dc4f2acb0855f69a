import { mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { accessLogSchema } from "#shared/config/schema/access-log.ts";
import { systemClock } from "#shared/core/clock.ts";
import { UsageError } from "#shared/core/error.ts";
import { Rig, head } from "#test/contract/engine/rig.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { LineWriter } from "./line-writer.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "watershed-access-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const linesOf = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n");

describe("the config of the access log", () => {
  it.each([
    { given: undefined, read: undefined },
    { given: false, read: undefined },
    { given: true, read: { format: "json", to: "stdout", percent: 100 } },
    { given: { format: "common", percent: 5 }, read: { format: "common", to: "stdout", percent: 5 } },
  ])("$given", ({ given, read }) => expect(accessLogSchema.parse(given)).toEqual(read));
});

describe.each(["wire", "http-proxy"] as const)("the access log of the engine %s", (engine) => {
  it("has a line for each request, what was refused too, and goes on in a new file after a reload", async () => {
    const file = path.join(folder, "access.log");
    const config = {
      accessLog: { to: file },
      routes: [{ name: "all", match: { path: "/a" }, pool: "main" }],
    };
    const rig = await Rig.start({ engine, endpoints: ["127.0.0.1:1"], config });
    const client = await rig.client();
    client.send(`${head("POST /a?q=1 HTTP/1.1", "Content-Length: 3", "User-Agent: t")}abc${head("GET /b HTTP/1.1")}`);
    await client.answer();
    await client.answer();
    renameSync(file, `${file}.1`);
    const pools = { main: { endpoints: [{ address: rig.backend.address }] } };
    await rig.reload({ ...config, pools });
    client.send(head("HEAD /a HTTP/1.1"));
    await client.answer("HEAD");
    await rig[Symbol.asyncDispose]();
    const written = [...linesOf(`${file}.1`), ...linesOf(file)].map((line) => JSON.parse(line) as object);
    expect(linesOf(file)).toHaveLength(1);
    const [{ address } = { address: "" }] = pools.main.endpoints;
    expect(written).toMatchObject([
      {
        method: "POST",
        target: "/a?q=1",
        status: 200,
        route: "all",
        pool: "main",
        endpoint: address,
        attempts: expect.toSatisfy((count) => count === 1 || count === 2) as number,
        bytesIn: 3,
        bytesOut: 2,
        userAgent: "t",
        reason: "OK",
      },
      { method: "GET", target: "/b", status: 404, route: "none", reason: "NO_ROUTE", attempts: 0 },
      { method: "HEAD", status: 200, bytesOut: 0 },
    ]);
    expect(written[1]).not.toHaveProperty("pool");
  });

  it("may be a share of the requests", async () => {
    const file = path.join(folder, "access.log");
    const draws = [0.05, 0.5, 0.099, 0.1];
    const host = { random: () => draws.shift() ?? 0.5 };
    const rig = await Rig.start({ engine, host, config: { routes: [], accessLog: { to: file, percent: 10 } } });
    draws.length = 0;
    draws.push(0.05, 0.5, 0.099, 0.1);
    const client = await rig.client();
    for (let i = 0; i < 4; i++) {
      client.send(head(`GET /${i} HTTP/1.1`));
      await client.answer();
    }
    await rig[Symbol.asyncDispose]();
    expect(linesOf(file).map((line) => (JSON.parse(line) as { target: string }).target)).toEqual(["/0", "/2"]);
  });

  it("that cannot be opened ends the start, and refuses a reload", async () => {
    const config = { accessLog: { to: path.join(folder, "none", "access.log") } };
    await expect(Rig.start({ engine, config })).rejects.toThrow(UsageError);
    await using rig = await Rig.start({ engine });
    await expect(rig.reload({ ...config, routes: [], pools: {} })).rejects.toThrow("there is no such folder");
    const client = await rig.client();
    client.send(head("GET / HTTP/1.1"));
    expect((await client.answer()).status).toBe(200);
  });
});

describe("lines", () => {
  it("wait for those that come soon, and are written in one go", async () => {
    const clock = new FakeClock();
    const file = path.join(folder, "lines");
    const writer = new LineWriter({ to: file, clock, onDropped: () => {} });
    await writer.open();
    writer.add("one");
    writer.add("two");
    expect(readFileSync(file, "utf8")).toBe("");
    expect(clock.pendingCount).toBe(1);
    await writer.flush();
    expect(linesOf(file)).toEqual(["one", "two"]);
    expect(clock.pendingCount).toBe(0);
  });

  it("beyond the bound are dropped and counted", async () => {
    let dropped = 0;
    const clock = new FakeClock();
    const writer = new LineWriter({ to: path.join(folder, "f"), clock, onDropped: (lines) => void (dropped += lines) });
    await writer.open();
    for (let i = 0; i < 5; i++) writer.add("x".repeat(1_000_000));
    expect(dropped).toBe(1);
    await writer.flush();
    writer.add("again");
    await writer.flush();
    expect(dropped).toBe(1);
  });

  it("on a full disk are dropped and counted, and nobody fails", async () => {
    const dropped: { lines: number; why: string }[] = [];
    const onDropped = (lines: number, why: string) => void dropped.push({ lines, why });
    const writer = new LineWriter({ to: "/dev/full", clock: systemClock, onDropped });
    await writer.open();
    writer.add("one");
    writer.add("two");
    await writer.close();
    expect(dropped).toEqual([{ lines: 2, why: expect.stringContaining("ENOSPC") as string }]);
  });
});
