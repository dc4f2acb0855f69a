import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { main } from "./main.ts";
import { claimRun, projectDir, readRun } from "./stack/state.ts";

let stateDir = "";
beforeAll(() => {
  stateDir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-test-"));
  vi.stubEnv("WATERSHED_STATE_DIR", stateDir);
});
afterAll(() => {
  vi.unstubAllEnvs();
  fs.rmSync(stateDir, { recursive: true });
});

interface Result {
  readonly code: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function watershed(args: readonly string[], file = path.join(projectDir, "watershed")): Promise<Result> {
  return new Promise((resolve) => {
    execFile(file, args, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
}

/** The same without a process of its own. */
async function inProcess(args: readonly string[]): Promise<Result> {
  const written = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += String(text);
      return true;
    }),
  );
  try {
    return { code: await main(args), ...written };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe("the arguments", () => {
  it.each([
    { args: ["stauts"], says: "Did you mean status?" },
    { args: ["status", "--jsn"], says: "Did you mean --json?" },
    { args: ["up", "--scale"], says: "argument missing" },
    { args: ["up", "--scale", "netflx"], says: 'did you mean "netflix"?' },
    { args: ["up", "more"], says: "too many arguments" },
    { args: [], says: "Usage: watershed" },
    { args: ["trace", "/api/users"], says: "required option '--from <client>' not specified" },
    { args: ["trace", "--form", "DE", "/"], says: "Did you mean --from?" },
    { args: ["trace", "--from", "DE", "--body", "--json", "/"], says: "cannot be used with option '--json'" },
    { args: ["tap", "--tier", "origin"], says: "Allowed choices are dns, l7, l4" },
    { args: ["tap", "--node", "ns3"], says: 'there is no node "ns3" (did you mean "ns1"?)' },
    { args: ["tap", "--count", "0"], says: "expected a whole number 1..1000000000" },
    { args: ["status", "--tier", "l5"], says: "Allowed choices are dns, l7, l4, origin" },
    { args: ["status", "--node", "ns3"], says: 'there is no node "ns3" (did you mean "ns1"?)' },
    { args: ["status", "--tier", "l7", "--node", "ns1"], says: 'there is no node "ns1" in the tier l7' },
    { args: ["status", "--problems", "--json"], says: "cannot be used with option '--json'" },
    { args: ["trace", "--from", "XX", "/"], says: "neither an IP address nor a country" },
    { args: ["trace", "--from", "DE", "ftp://www.stream.test/"], says: "speaks http" },
    { args: ["trace", "--from", "DE", "--header", "no colon", "/"], says: 'expected "Name: value"' },
    { args: ["trace", "--from", "DE", "--method", "G T", "/"], says: "expected a word such as GET" },
    { args: ["run", "l7-ruoter"], says: 'did you mean "l7-router"?' },
    { args: ["check", "/there/is/none.yaml", "--service", "geodns"], says: "there is no such file" },
    { args: ["status", "--topology", "package.json"], says: "package.json:" },
    { args: ["explain", "tcp", "web", "--admin", "nowhere"], says: '--admin: "nowhere" is not the URL' },
    { args: ["explain", "tcp", "web", "--forwarder", "none"], says: 'there is no forwarder "none"' },
    { args: ["explain", "tcp", "web", "--from", "DE", "--client", "127.1.0.7"], says: "either --from or --client" },
    { args: ["load"], says: "required option '--from <client>' not specified" },
    { args: ["load", "--from", "DE", "--workers", "65"], says: "expected a whole number 1..64" },
    { args: ["load", "--from", "DE", "--for", "soon"], says: "expected a time such as 30s" },
    { args: ["load", "--from", "DE", "ftp://www.stream.test/"], says: "speaks http" },
    { args: ["chaos", "kil", "router", "eu-west/l7-1"], says: "Did you mean kill?" },
    { args: ["chaos", "kill", "router", "eu-west/l7-9"], says: "did you mean router eu-west/l7-1, or" },
    { args: ["chaos", "slow", "router", "eu-west/l7-1"], says: "slow does nothing to a router: it takes kill" },
    { args: ["chaos", "cut", "server", "eu-west-a/web-1"], says: "cut does nothing to a server: it takes kill" },
    { args: ["chaos", "kill", "router", "eu-west/l7-1", "--for", "soon"], says: "expected a time such as 30s" },
    { args: ["chaos", "kill", "router", "eu-west/l7-1"], says: "nothing is up here: ./watershed up" },
    { args: ["chaos", "heal"], says: "a target is one of" },
    { args: ["up", "--docker", "--scale", "netflix"], says: "--docker takes no --topology and no --scale" },
  ])("refuses $args with exit code 2 and says how it is meant", async ({ args, says }) => {
    const { code, stdout, stderr } = await inProcess(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(stderr).toMatch(/^(error: |Usage: |\S+\.(yaml|json):)/);
  });

  it.each(["up", "down", "status", "trace", "load", "chaos", "check", "run"])(
    "shows an example under the help of %s",
    async (command) => {
      const { code, stdout } = await inProcess([command, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`Example: \\./watershed ${command}`));
    },
  );
});

describe.concurrent("the launcher of the command line", { timeout: 60_000 }, () => {
  it("ends with the exit code of the command", async () => {
    expect(await watershed(["stauts"])).toMatchObject({ code: 2, stdout: "" });
  });

  it("hands what stands behind the service over to it, and its exit code back", async () => {
    const { code, stdout } = await watershed(["run", "geodns", "--help"]);
    expect({ code, usage: stdout.split("\n")[0] }).toEqual({ code: 0, usage: "Usage: watershed run geodns [options]" });
    expect(await watershed(["run", "geodns", "--node", "ns1"])).toMatchObject({ code: 2 });
  });

  it("finds its folder through a link", async () => {
    const link = path.join(stateDir, "link");
    fs.symlinkSync(path.join(projectDir, "watershed"), link);
    expect(await watershed(["--version"], link)).toMatchObject({ code: 0, stdout: "0.1.0\n" });
  });

  it("asks for npm ci where nothing is installed", async () => {
    const bare = path.join(stateDir, "bare");
    fs.mkdirSync(bare);
    fs.copyFileSync(path.join(projectDir, "watershed"), path.join(bare, "watershed"));
    const { code, stderr } = await watershed(["status"], path.join(bare, "watershed"));
    expect({ code, stderr }).toEqual({ code: 2, stderr: `watershed: run npm ci first, in ${fs.realpathSync(bare)}\n` });
  });
});

describe("down", { timeout: 60_000 }, () => {
  it("says so where nothing runs", async () => {
    expect(await watershed(["down"])).toEqual({ code: 0, stdout: "nothing is running here\n", stderr: "" });
  });

  it("cleans up after a launcher that is gone, and ends nobody who has its numbers by now", async () => {
    // This very process has the numbers; it is neither a launcher nor a node.
    const node = { name: "ns1", service: "geodns", pid: process.pid, admin: "127.0.0.1:1" };
    const run = { launcherPid: process.pid, startedAt: "", topology: "/t.yaml", scale: null, nodes: [node] };
    claimRun(stateDir, run);
    expect(() => claimRun(stateDir, run)).toThrow("has just been started");
    const { code, stdout } = await watershed(["down"]);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `nothing is running any more; removed what the launcher ${process.pid} left\n`,
    });
    expect(readRun(stateDir)).toBeUndefined();
  });
});
