import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { chooseStack, defaultTopology } from "./choose.ts";
import { claimRun, projectDir } from "./state.ts";

let dir = "";
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-test-"));
  vi.stubEnv("WATERSHED_STATE_DIR", dir);
});
afterEach(() => {
  vi.unstubAllEnvs();
  fs.rmSync(dir, { recursive: true });
});

/** Something that has the command of a launcher, until it is disposed of. */
async function fakeLauncher(scale: string | null): Promise<AsyncDisposable> {
  const script = path.join(projectDir, "infra", "cli", "main.ts");
  const child = spawn(process.execPath, ["--eval", "process.stdin.resume()", script], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  await once(child, "spawn");
  claimRun(dir, { launcherPid: child.pid ?? 0, startedAt: "", topology: defaultTopology, scale, nodes: [] });
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await once(child, "exit");
    },
  };
}

describe("the stack that is up", () => {
  it("is taken with its own scale, also where its topology is named", async () => {
    await using _ = await fakeLauncher("netflix");
    for (const choice of [{}, { topology: defaultTopology }, { scale: "netflix" }])
      expect((await chooseStack(choice)).scale).toBe("netflix");
  });

  it.each([
    { scale: null, says: /runs without a scale, not at netflix: leave out --scale/ },
    { scale: "other", says: /runs at scale other, not at netflix/ },
  ])("is not taken for one of another scale than $scale", async ({ scale, says }) => {
    await using _ = await fakeLauncher(scale);
    await expect(chooseStack({ scale: "netflix" })).rejects.toThrow(says);
    await expect(chooseStack({ topology: defaultTopology, scale: "netflix" })).rejects.toThrow(says);
  });

  it("counts for nothing here once its launcher is gone", async () => {
    claimRun(dir, { launcherPid: process.pid, startedAt: "", topology: defaultTopology, scale: null, nodes: [] });
    expect((await chooseStack({ scale: "netflix" })).scale).toBe("netflix");
  });
});
