import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { GenericContainer } from "testcontainers";
import type { StartedTestContainer } from "testcontainers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { docker } from "#test/support/docker.ts";
import { run } from "../../infra/docker/engine.ts";
import { describeInContainers } from "./describe.ts";
import { aloneLabel } from "./labels.ts";

const examples = path.resolve(import.meta.dirname, "../../docs/examples");
const runLimitMs = 60_000;
const drainLimitMs = 30_000;

/** In the order of the start: each asks those before it. */
const services = [
  { service: "origin", admin: "127.0.0.1:9080", broken: "servers: [{name: web-1, service: web, address: 9101}]\n" },
  { service: "l4-forwarder", admin: "127.0.0.1:7080", broken: "pools: {web: {balance: round-robbin}}\n" },
  { service: "l7-router", admin: "127.0.0.1:8081", broken: "listeners: [{address: nowhere}]\n" },
  { service: "geodns", admin: "127.0.0.1:5380", broken: "listen: 53\n" },
] as const;
type ServiceName = (typeof services)[number]["service"];

/** A container as strict as those of docker-compose.yml. */
class StrictContainer extends GenericContainer {
  constructor(image: string) {
    super(image);
    this.hostConfig.ReadonlyRootfs = true;
    this.hostConfig.PidsLimit = 128;
    this.withDroppedCapabilities("ALL");
    this.withTmpFs({ "/tmp": "" });
    this.withLabels(Object.fromEntries([aloneLabel.split("=") as [string, string]]));
  }
}

/** Four images from their example configs. They share the loopback of the first, as those examples are made to. */
describeInContainers("the images", () => {
  const started = new Map<ServiceName, StartedTestContainer>();
  let folder = "";

  beforeAll(async () => {
    process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true"; // setup.ts removes what is left
    folder = await mkdtemp(path.join(tmpdir(), "watershed-images-"));
    for (const { service, admin } of services) {
      const container = new StrictContainer(`watershed/${service}:local`)
        .withBindMounts([
          { source: `${examples}/${service}.yaml`, target: `/etc/watershed/${service}.yaml`, mode: "ro" },
        ])
        .withCommand(["--config", `/etc/watershed/${service}.yaml`])
        .withEnvironment({ WATERSHED_ADMIN_ADDRESS: admin });
      const first = started.get("origin");
      if (first) container.withNetworkMode(`container:${first.getId()}`);
      if (service === "l4-forwarder") container.withAddedCapabilities("NET_ADMIN");
      else container.withSecurityOpt("no-new-privileges:true");
      started.set(service, await container.start()); // resolves once its health check passes
    }
  });
  afterAll(async () => {
    await Promise.all([...started.values()].map((container) => docker("rm", "--force", container.getId())));
    await rm(folder, { recursive: true });
  });

  const idOf = (service: ServiceName) => started.get(service)!.getId();
  const execIn = (service: ServiceName, ...command: string[]) =>
    run("docker", ["exec", idOf(service), ...command], { limitMs: runLimitMs });
  /** What a program prints that runs in there, as text of a module. */
  const evaluate = async (service: ServiceName, program: string) => {
    const { code, all } = await execIn(service, "node", "--input-type=module", "--eval", program);
    expect(code, all).toBe(0);
    return all;
  };
  /** "status body" */
  const get = (url: string) =>
    evaluate("l7-router", `const r = await fetch("${url}"); console.log(r.status, await r.text());`);

  describe.each(services)("$service", ({ service, admin, broken }) => {
    it("becomes ready", async () => {
      expect(await docker("inspect", "--format", "{{.State.Health.Status}}", idOf(service))).toBe("healthy");
      expect(await get(`http://${admin}/readyz`)).toMatch(/^200 /);
    });

    it("runs as a user other than root, whose root file system is read-only", async () => {
      expect((await execIn(service, "id", "--user")).stdout.trim()).toBe("10001");
      const { code, all } = await execIn(service, "touch", "/watershed/x");
      expect(code).not.toBe(0);
      expect(all).toMatch(/read-only file system/i);
    });

    it("refuses a bad config with exit 2, saying where", async () => {
      const file = path.join(folder, `${service}.yaml`);
      await writeFile(file, broken, { mode: 0o644 });
      const args = [
        "--rm",
        "--label",
        aloneLabel,
        "--volume",
        `${file}:/etc/bad.yaml:ro`,
        `watershed/${service}:local`,
      ];
      const output = await run("docker", ["run", ...args, "--config", "/etc/bad.yaml"], { limitMs: runLimitMs });
      expect(output.code, output.all).toBe(2);
      expect(output.all).toMatch(/^\/etc\/bad\.yaml:1:\d+ \S+: expected /m);
    });
  });

  it("origin, forwarder and router answer together", async () => {
    const answer = await get("http://127.0.0.1:8080/api/users");
    expect(answer).toMatch(/^200 /);
    expect(JSON.parse(answer.slice(4))).toMatchObject({ server: "api-1", proxy: { version: "v2" } });
  });

  it("the name server answers", async () => {
    const program = `import { Resolver } from "node:dns/promises";
      const resolver = new Resolver();
      resolver.setServers(["127.0.0.1:5300"]);
      console.log((await resolver.resolveNs("stream.test")).toSorted().join());`;
    expect((await evaluate("geodns", program)).trim()).toBe("ns1.stream.test,ns2.stream.test");
  });

  it("the forwarder may use nftables and conntrack without being root", async () => {
    for (const command of [
      ["nft", "list", "ruleset"],
      ["conntrack", "--count"],
    ]) {
      const { code, all } = await execIn("l4-forwarder", ...command);
      expect(code, all).toBe(0);
    }
  });

  // Last: whoever is asked ends after those that ask it.
  it.each(services.toReversed())("$service drains on SIGTERM and ends with 0 within its limit", async ({ service }) => {
    const id = idOf(service);
    const startedMs = performance.now();
    await docker("stop", "--time", "60", id); // More than it may take: a SIGKILL would say 137.
    expect(performance.now() - startedMs).toBeLessThan(drainLimitMs);
    expect(await docker("inspect", "--format", "{{.State.ExitCode}}", id)).toBe("0");
    const { all } = await run("docker", ["logs", "--tail", "20", id], { limitMs: runLimitMs });
    expect(all).toContain('"msg":"draining"');
    expect(all).toContain('"msg":"stopped"');
  });
});
