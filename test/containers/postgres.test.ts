import { beforeAll, expect, it, vi } from "vitest";
import { docker } from "#test/support/docker.ts";
import { run } from "../../infra/docker/engine.ts";
import { compose } from "./compose.ts";
import { describeInContainers } from "./describe.ts";
import { projectName } from "./labels.ts";
import { ContainerStack } from "./stack.ts";

const imageLimitMs = 300_000; // Debian's package is installed where the image is not there yet
const queryLimitMs = 30_000;
const forwarders = [
  { name: "postgres-l4-1", address: "10.139.0.211" },
  { name: "postgres-l4-2", address: "10.139.0.212" },
] as const;
const replicas = [
  { name: "postgres-replica-eu-west-a", address: "10.139.1.210" },
  { name: "postgres-replica-eu-west-b", address: "10.139.2.210" },
] as const;
const wait = { timeout: 30_000, interval: 250 };

describeInContainers("the profile postgres", () => {
  const ids = new Map<string, string>();

  beforeAll(async () => {
    await ContainerStack.get();
    const image = await run("npm", ["run", "--silent", "images", "--", "postgres"], { limitMs: imageLimitMs });
    if (image.code !== 0) throw new Error(image.all);
    await compose(["--profile", "postgres", "up", "--detach", "--no-build", ...forwarders.map(({ name }) => name)]);
    for (const { name } of [{ name: "postgres-primary" }, ...replicas, ...forwarders]) {
      const service = ["--filter", `label=com.docker.compose.service=${name}`];
      const project = ["--filter", `label=com.docker.compose.project=${projectName}`];
      ids.set(name, await docker("ps", "--quiet", "--no-trunc", ...project, ...service));
    }
    for (const { name } of forwarders) await isHealthy(name);
  });

  const idOf = (name: string) => ids.get(name)!;
  const isHealthy = (name: string) =>
    vi.waitFor(async () => {
      expect(await docker("inspect", "--format", "{{.State.Health.Status}}", idOf(name))).toBe("healthy");
    }, wait);

  /** Runs SQL from the primary's container.
   * @param host of a database or a forwarder; default: the primary itself */
  async function sql(statement: string, host = "/tmp") {
    const script = 'PGPASSWORD=$(cat /run/watershed/token) PGCONNECT_TIMEOUT=3 exec psql "$@"';
    const options = ["--username=watershed", "--no-align", "--tuples-only", "--quiet", "--set=ON_ERROR_STOP=1"];
    const psql = ["sh", "-c", script, "psql", `--host=${host}`, ...options, `--command=${statement}`, "watershed"];
    const { code, all } = await run("docker", ["exec", idOf("postgres-primary"), ...psql], { limitMs: queryLimitMs });
    return { code, said: all.trim() };
  }
  async function value(statement: string, host?: string): Promise<string> {
    const { code, said } = await sql(statement, host);
    expect(code, said).toBe(0);
    return said;
  }
  const write = (id: number, title: string) => value(`INSERT INTO films VALUES (${id}, '${title}')`);
  const titleOf = (id: number) => `SELECT title FROM films WHERE id = ${id}`;
  /** Which replica answers, and that it is one. */
  const whoAnswers = "SELECT host(inet_server_addr()), pg_is_in_recovery() FROM pg_sleep(0.3)";

  it("replicas stream from the primary", async () => {
    await vi.waitFor(async () => {
      const streams = await value("SELECT host(client_addr), state FROM pg_stat_replication ORDER BY 1");
      expect(streams.split("\n")).toEqual(replicas.map(({ address }) => `${address}|streaming`));
    }, wait);
  });

  it.each(forwarders)("what the primary is told is read from the replicas through $name", async ({ name, address }) => {
    const id = name === "postgres-l4-1" ? 2_001 : 2_002;
    await write(id, `by ${name}`);
    await vi.waitFor(async () => expect(await value(titleOf(id), address)).toBe(`by ${name}`), wait);
    const answers = await Promise.all([value(whoAnswers, address), value(whoAnswers, address)]);
    expect(answers.toSorted()).toEqual(replicas.map((replica) => `${replica.address}|t`));
  });

  it("replicas take no writes", async () => {
    const { code, said } = await sql("DELETE FROM films", forwarders[0].address);
    expect(code).not.toBe(0);
    expect(said).toContain("cannot execute DELETE in a read-only transaction");
  });

  it("a replica that is killed: every query is answered by the other, and it catches up when it is back", async () => {
    const [lost, other] = replicas;
    await docker("kill", "--signal", "KILL", idOf(lost.name));
    for (let i = 0; i < 4; i++)
      for (const { address } of forwarders) expect(await value(whoAnswers, address)).toBe(`${other.address}|t`);
    await write(2_003, "while it was gone");
    await docker("start", idOf(lost.name));
    await vi.waitFor(async () => expect(await value(titleOf(2_003), lost.address)).toBe("while it was gone"), wait);
    await vi.waitFor(async () => {
      const answers = await Promise.all([value(whoAnswers, "10.139.0.211"), value(whoAnswers, "10.139.0.211")]);
      expect(answers.toSorted()).toEqual(replicas.map((replica) => `${replica.address}|t`));
    }, wait);
  });

  it("a forwarder that is killed: its twin answers", async () => {
    await docker("kill", "--signal", "KILL", idOf("postgres-l4-1"));
    expect((await sql("SELECT 1", forwarders[0].address)).code).not.toBe(0);
    expect(await value(titleOf(2_001), forwarders[1].address)).toBe("by postgres-l4-1");
    await docker("start", idOf("postgres-l4-1"));
    await isHealthy("postgres-l4-1");
    expect(await value(titleOf(2_001), forwarders[0].address)).toBe("by postgres-l4-1");
  });

  it("a client that is told both forwarders, as libpq can be, does not notice that one is gone", async () => {
    await docker("kill", "--signal", "KILL", idOf("postgres-l4-2"));
    expect(await value(titleOf(2_002), `${forwarders[1].address},${forwarders[0].address}`)).toBe("by postgres-l4-2");
    await docker("start", idOf("postgres-l4-2"));
    await isHealthy("postgres-l4-2");
  });
});
