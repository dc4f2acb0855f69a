import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, watch } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { run } from "./engine.ts";

const limitMs = 30_000;
let dir = "";
beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "watershed-programs-"))));
afterEach(() => rmSync(dir, { recursive: true }));
const program = (name: string) => path.join(import.meta.dirname, name);

describe("the health check of a container", () => {
  let server: http.Server;
  let asked: string[] = [];
  let status = 200;

  beforeEach(async () => {
    asked = [];
    status = 200;
    server = http.createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead(status, { "content-length": 8 }).end("as it is");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(() => server.close());

  const start = (restMs: number) => {
    const { port } = server.address() as AddressInfo;
    const env = { ...process.env, WATERSHED_ADMIN_ADDRESS: `127.0.0.1:${port}`, TMPDIR: dir };
    return spawn(process.execPath, [program("healthcheck.ts"), String(restMs)], {
      env,
      stdio: ["ignore", "pipe", "ignore"],
    });
  };
  async function check(restMs: number): Promise<{ code: number | null; said: string }> {
    const child = start(restMs);
    const said = text(child.stdout);
    const [code] = (await once(child, "exit")) as [number | null];
    return { code, said: await said };
  }
  const manyMs = 3_600_000;

  it("passes where the node is ready", async () => {
    expect(await check(manyMs)).toEqual({ code: 0, said: "as it is" });
    expect(asked).toEqual(["GET /readyz"]);
  });

  it("fails where it is not, and says what the node said", async () => {
    status = 503;
    expect(await check(manyMs)).toEqual({ code: 1, said: "as it is" });
  });

  it("fails where nobody listens", async () => {
    const gone = start(manyMs);
    server.close();
    const said = await text(gone.stdout);
    expect(said).toContain("ECONNREFUSED");
    expect(gone.exitCode ?? (await once(gone, "exit"))[0]).toBe(1);
  });

  it("rests before it asks a node again that was ready, and asks one at once that was not", async () => {
    await check(manyMs);
    const resting = start(manyMs);
    await noteTaken();
    expect(asked).toHaveLength(1);
    resting.kill("SIGKILL");
    await once(resting, "exit");

    await check(manyMs); // the one that was killed left no note
    status = 503;
    expect((await check(1)).code).toBe(1); // rested for a millisecond
    expect((await check(manyMs)).code).toBe(1); // did not rest
    expect(asked).toHaveLength(4);
  });

  /** Until the check that runs has taken away the note of the one before. */
  async function noteTaken(): Promise<void> {
    const note = path.join(dir, "watershed-ready");
    const changes = watch(dir);
    if (existsSync(note)) await once(changes, "change");
    changes.close();
  }
});

describe("the token of the admin API", () => {
  const make = (...args: string[]) => run(process.execPath, [program("make-token.ts"), ...args], { limitMs });

  it("is made once, and only its owner and group can read it", async () => {
    const file = path.join(dir, "token");
    expect(await make(file)).toMatchObject({ code: 0, stdout: `${file}: made\n` });
    const token = readFileSync(file, "utf8");
    expect(token).toMatch(/^[\w-]{43}\n$/);
    expect(statSync(file).mode & 0o777).toBe(0o440);
    expect(await make(file)).toMatchObject({ code: 0, stdout: `${file}: kept\n` });
    expect(readFileSync(file, "utf8")).toBe(token);
  });

  it("wants the name of its file", async () => {
    expect(await make()).toMatchObject({ code: 2 });
  });
});
