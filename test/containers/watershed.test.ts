import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { parseConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { docker } from "#test/support/docker.ts";
import { mmdb } from "#test/support/mmdb.ts";
import { composeFile } from "../../infra/docker/compose-file.ts";
import { compose } from "./compose.ts";
import { describeInContainers } from "./describe.ts";
import { projectName } from "./labels.ts";
import { ContainerStack } from "./stack.ts";

const root = path.resolve(import.meta.dirname, "../..");
const wait = { timeout: 30_000, interval: 250 };

describeInContainers("the command line and the stack in containers", () => {
  let folder = "";
  beforeAll(async () => {
    await ContainerStack.get();
    folder = await mkdtemp(path.join(tmpdir(), "watershed-cli-"));
    await chmod(folder, 0o755); // containers read from it, as another user
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function watershed(...args: readonly string[]): Promise<{ code: number | null; out: string; errors: string }> {
    const state = { WATERSHED_STATE_DIR: path.join(folder, "state"), COMPOSE_PROJECT_NAME: projectName };
    const child = spawn(path.join(root, "watershed"), args, {
      env: { ...process.env, ...state, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const code = child.exitCode ?? ((await once(child, "exit")) as [number | null])[0];
    return { code, out, errors };
  }
  /** What it prints, where it must succeed. */
  async function say(...args: readonly string[]): Promise<string> {
    const { code, out, errors } = await watershed(...args);
    expect(code, `${out}\n${errors}`).toBe(0);
    return out;
  }
  const left = async () => {
    const ofProject = ["--quiet", "--filter", `label=com.docker.compose.project=${projectName}`];
    const lists = [
      ["ps", "--all"],
      ["network", "ls"],
      ["volume", "ls"],
    ].map((command) => docker(...command, ...ofProject));
    return (await Promise.all(lists)).join("").trim();
  };
  const dig = async (subnet: string) => {
    const ids = await compose(["ps", "--quiet", "client-de"], path.join(folder, "own"));
    return docker("exec", ids.trim(), "dig", "+short", `+subnet=${subnet}`, "@10.53.0.1", "www.stream.test");
  };

  it("down ends what others brought up, with what profiles added, its networks and its volumes", async () => {
    await compose(["--profile", "countries", "up", "--detach", "--no-build", "client-jp"]);
    expect(await say("down", "--docker")).toMatch(/^ended the stack \(\d+ containers\)\n$/);
    expect(await left()).toBe("");
    expect(await say("down", "--docker")).toBe("no containers are here\n");
  });

  it("a geo database of one's own is what the name servers use", async () => {
    const own = path.join(folder, "own");
    await mkdir(path.join(own, "data"), { recursive: true });
    await cp(path.join(root, "infra"), path.join(own, "infra"), { recursive: true });
    const yaml = `${readFileSync(path.join(root, "infra/topology.yaml"), "utf8")}\ngeo: { database: data/own.mmdb }\n`;
    await writeFile(path.join(own, "infra/topology.yaml"), yaml);
    // Elsewhere than the builtin one knows them: 81.2.69.0/24 is British, 12.0.0.0/8 American.
    await writeFile(path.join(own, "data/own.mmdb"), mmdb({ "81.2.69.0/24": "US", "12.0.0.0/8": "DE" }));
    const file = composeFile(parseConfig(yaml, "topology.yaml", topologySchema));
    await writeFile(path.join(own, "docker-compose.yml"), file);
    try {
      await compose(["up", "--no-deps", "token"], own);
      await compose(["up", "--detach", "--no-deps", "ns1", "client-de"], own);
      // No router is up: the name server gives those of every region, the one first that it would send the client to.
      await vi.waitFor(async () => expect(await dig("81.2.69.0/24")).toMatch(/^10\.12\.0\.[12]\n/), wait);
      expect(await dig("12.0.0.0/24")).toMatch(/^10\.11\.0\.[12]\n/);
    } finally {
      await compose(["down", "--volumes", "--timeout", "1"], own);
    }
  });

  it("up --docker brings it up, shows what is where, and the way of a client of each country", async () => {
    const out = await say("up", "--docker");
    expect(out).toMatch(/ready in \d+\.\d s/);
    expect(out).toMatch(/ns1 +10\.53\.0\.1 +127\.0\.0\.1:5300 DNS +127\.0\.0\.1:7901/);
    expect(out).toMatch(/us-east\/l7-2 +10\.12\.0\.2 +127\.0\.0\.1:8112 HTTP/);
    expect(out).toMatch(/client 10\.49\.0\.7 \(DE\) → ns\d www\.stream\.test → eu-west 10\.11\.0\.\d/);
    expect(out).toMatch(/client 10\.1\.0\.7 \(US\) → ns\d www\.stream\.test → us-east 10\.12\.0\.\d/);
    expect(out).toMatch(/→ 200 in /);
  });

  it("status asks every node by its port of this host", async () => {
    const out = await say("status");
    expect(out).toMatch(/name servers +2\/2/);
    expect(out).toMatch(/routers +4\/4/);
    expect(out).toMatch(/forwarders +8\/8 +104\/104/);
    expect(out).toContain("10.139.1.9:9100");
  });

  it("trace sends its request from the client's container, or tells the subnet of one that is not there", async () => {
    expect(await say("trace", "--from", "US", "/api/users")).toMatch(
      /^client 10\.1\.0\.7 \(US\) .*\n.*→ us-east\/l7-\d /,
    );
    const far = await say("trace", "--from", "BR", "--json", "/api/users");
    expect(JSON.parse(far)).toMatchObject({ client: { country: "BR" } });
    expect(far).toMatch(/"us-east\/l7-[12]"/);
  });

  it("chaos kills a container and heals it, and tells who saw it", async () => {
    const out = await say("chaos", "kill", "forwarder", "us-east-a/l4-1", "--for", "5s");
    expect(out).toContain("kill forwarder us-east-a/l4-1, in containers");
    expect(out).toMatch(/us-east\/l7-1 +endpoint_down +pool api us-east-a\/l4-1 CHECK_/);
    expect(out).toMatch(/us-east-a\/l4-1 +started again/);
    expect(out).toMatch(/us-east\/l7-2 +endpoint_up +pool api us-east-a\/l4-1 OK/);
  });

  it("chaos cut drops packets while the load of the profile chaos shows what its clients lose", async () => {
    await compose(["--profile", "chaos", "up", "--detach", "--no-build", "load-de", "load-us"]);
    const linesOf = async (service: string) => {
      const id = await compose(["--profile", "chaos", "ps", "--quiet", service]);
      return (await docker("logs", id.trim())).split("\n");
    };
    await vi.waitFor(async () => {
      expect((await linesOf("load-de")).at(-1)).toMatch(/ DE .* 0 failed .* eu-west \d+$/);
      expect((await linesOf("load-us")).at(-1)).toMatch(/ US .* 0 failed .* us-east \d+$/);
    }, wait);
    const cut = await say("chaos", "cut", "zone", "eu-west-b");
    expect(cut).toMatch(
      /eu-west-b\/l4-2 +cut off from region-eu-west: packets are dropped \(docker network disconnect\)/,
    );
    expect(await say("chaos", "list")).toMatch(/^zone +eu-west-b +0\/3 running/m);
    expect(await say("chaos", "heal", "zone", "eu-west-b")).toMatch(
      /eu-west-b\/origin +connected to region-eu-west again/,
    );
    const seconds = [...(await linesOf("load-de")), ...(await linesOf("load-us"))];
    expect(seconds.length).toBeGreaterThan(10);
    expect(seconds.filter((line) => !/ 0 failed /.test(line))).toEqual([]);
    const loads = await compose(["--profile", "chaos", "ps", "--quiet", "load-de", "load-us"]);
    await docker("rm", "--force", ...loads.trim().split("\n"));
  });
});
