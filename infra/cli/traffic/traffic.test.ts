import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDir } from "../stack/state.ts";
import { waitUntil } from "../stack/wait.ts";

let dir = "";
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-test-"));
});
afterAll(() => fs.rmSync(dir, { recursive: true }));

/** `./watershed traffic …` with a state folder of its own. */
function traffic(...args: readonly string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const env = { ...process.env, WATERSHED_STATE_DIR: dir };
  return new Promise((resolve) => {
    execFile(path.join(projectDir, "watershed"), ["traffic", ...args], { env }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, stderr }),
    );
  });
}

const json = async (...args: readonly string[]) =>
  JSON.parse((await traffic(...args, "--json")).stdout) as Record<string, unknown>;
const isGone = () => !fs.existsSync(path.join(dir, "traffic.json"));

// No stack is needed: requests that nobody answers are counted too.
describe("traffic in the background", { timeout: 60_000 }, () => {
  it("is started once, tells what it does, changes its rate, and is stopped", async () => {
    expect(await json("status")).toEqual({ running: false });
    const first = await json("start", "--from", "DE=20", "--from", "US=10", "--seed", "1");
    expect(first).toMatchObject({ seed: 1, ratePerSecond: 30 });
    const second = await traffic("start");
    expect(second).toMatchObject({ code: 2, stdout: "" });
    expect(second.stderr).toContain(`traffic runs already (process ${String(first["pid"])}`);
    const rates = async (rate: string) =>
      ((await json("rate", rate))["sources"] as { name: string; ratePerSecond: number }[]).map(
        ({ name, ratePerSecond }) => `${name} ${ratePerSecond}`,
      );
    expect(await rates("60")).toEqual(["DE 40", "US 20"]);
    expect(await rates("JP=5")).toEqual(["DE 40", "US 20", "JP 5"]);
    expect(await traffic("rate", "XX=5")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"XX" is neither'),
    });
    expect(await traffic("rate", "1990")).toMatchObject({ code: 0 });
    expect(await traffic("rate", "DE=1990")).toMatchObject({ code: 2, stderr: expect.stringContaining("too many") });
    expect((await traffic("status")).stdout).toMatch(/^from +wanted\/s/);
    expect(await json("stop")).toMatchObject({ running: false, pid: first["pid"], inFlight: 0 });
    expect(await waitUntil(isGone, 5_000)).toBe(true);
    expect(await traffic("stop")).toMatchObject({ code: 2, stderr: expect.stringContaining("no traffic runs here") });
  });

  it("ends by itself after its time, and says so in its log", async () => {
    await json("start", "--from", "DE=1", "--for", "50ms");
    expect(await waitUntil(isGone, 5_000)).toBe(true);
    const log = path.join(dir, "logs", "traffic.log");
    expect(await waitUntil(() => fs.readFileSync(log, "utf8").includes('"end":"time is over"'), 5_000)).toBe(true);
  });

  it.each([
    { args: ["start", "--from", "XX"], says: '"XX" is neither an IP address nor a country' },
    { args: ["start", "--rate", "2001"], says: "expected requests a second" },
    { args: ["start", "--request", "users"], says: 'request "users": expected [METHOD] /path' },
    { args: ["start", "--clients", "0"], says: "expected a whole number 1..64" },
    { args: ["rate", "fast"], says: "expected requests a second" },
    { args: ["rate", "5"], says: "no traffic runs here" },
  ])("refuses $args with exit code 2", async ({ args, says }) => {
    const { code, stdout, stderr } = await traffic(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
  });
});
