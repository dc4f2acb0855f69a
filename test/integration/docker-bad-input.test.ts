import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const root = path.resolve(import.meta.dirname, "../..");
let dir = "";
beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "watershed-bad-input-"))));
afterEach(() => rmSync(dir, { recursive: true }));

/** Commands of this machine, as far as a case has them: name → what a shell does with their arguments. */
type Commands = Readonly<Record<string, string>>;

/** Runs a program where there are no other commands. */
async function runWith(commands: Commands, ...program: string[]): Promise<{ code: number | null; said: string }> {
  for (const [name, script] of Object.entries(commands))
    writeFileSync(path.join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const env = { PATH: dir, HOME: dir, WATERSHED_STATE_DIR: path.join(dir, "state"), NO_COLOR: "1" };
  const child = spawn(process.execPath, program, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const [out, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = child.exitCode === null ? ((await once(child, "exit")) as [number | null]) : [child.exitCode];
  return { code, said: said || out };
}

/** An engine with everything that the stack needs, but for some of it. */
function engineWith({ compose = "2.26.1", images = "exit 0", networks = "" } = {}): Commands {
  return {
    docker: `case "$1 $2" in
      "version --format") echo 20.10.24 ;;
      "compose version") ${compose === "" ? "exit 1" : `echo ${compose}`} ;;
      "image inspect") ${images} ;;
      "network ls") echo "${networks}" ;;
      *) echo "unexpected: docker $*" >&2; exit 99 ;;
    esac`,
  };
}
const docker = engineWith();
const compose = { "docker-compose": "echo 1.29.2" };

const cases: readonly { name: string; commands: Commands; says: RegExp }[] = [
  {
    name: "no docker command",
    commands: compose,
    says: /^there is no docker command: install a Docker engine \(.*\)$/,
  },
  {
    name: "no engine that answers",
    commands: { ...compose, docker: "echo 'Cannot connect to the Docker daemon. Is it running?' >&2; exit 1" },
    says: /^no Docker engine answers: start it \(systemctl start docker, or dockerd\): Cannot connect .*$/,
  },
  {
    name: "no Compose",
    commands: engineWith({ compose: "" }),
    says: /^there is no Docker Compose: install the Compose plugin .* or docker-compose 1\.29$/,
  },
  {
    name: "an old Compose",
    commands: { ...engineWith({ compose: "" }), "docker-compose": "echo 1.25.0" },
    says: /^Compose 1\.25\.0 is too old: install the Compose plugin .* or docker-compose 1\.29$/,
  },
  {
    name: "a missing image",
    commands: engineWith({ images: '[ "$3" != watershed/geodns:local ]' }),
    says: /^missing images: watershed\/geodns:local: npm run images builds them$/,
  },
  {
    name: "a subnet that is somebody's",
    commands: { ...docker, ip: `echo '[{"dst": "10.8.0.0/24", "dev": "tun0"}]'` },
    says: /^network internet \(10\.0\.0\.0\/9\) overlaps the route 10\.8\.0\.0\/24 of tun0: remove the route, or .*$/,
  },
];

const checks = [
  { title: "the check before the start", program: ["infra/docker/preflight.ts"], prefix: "" },
  { title: "up --docker", program: ["infra/cli/main.ts", "up", "--docker"], prefix: "error: " },
];

describe.each(checks)("$title says in one line, with exit code 2:", ({ program, prefix }) => {
  it.each(cases)("$name", async ({ commands, says }) => {
    const { code, said } = await runWith(commands, ...program);
    expect(code, said).toBe(2);
    expect(said).toMatch(/^.*\n$/);
    expect(said.startsWith(prefix)).toBe(true);
    expect(said.slice(prefix.length).trimEnd()).toMatch(says);
  });

  it("a port that is taken", async () => {
    const server = net.createServer().listen(7_918, "127.0.0.1");
    server.on("error", () => {}); // Then it is taken all the more.
    await Promise.race([once(server, "listening"), once(server, "error")]).catch(() => {});
    const { code, said } = await runWith(docker, ...program);
    server.close();
    expect(code, said).toBe(2);
    expect(said).toMatch(/^.*ports of 127\.0\.0\.1 are taken: (.*, )?7918 \(tcp\): end who listens there \(.*\)\n$/);
  });
});

describe("up --docker", () => {
  const container = JSON.stringify([
    {
      Id: "c1",
      Name: "/w-eu-west-a-origin-1",
      State: { Status: "exited", ExitCode: 2 },
      Config: { Labels: { "watershed.node": "eu-west-a/origin", "com.docker.compose.project": "w" } },
      NetworkSettings: { Networks: {} },
    },
  ]);
  const engine = (up: string, listed: string, inspected = "exit 0"): Commands => ({
    docker: `case "$1 $2" in
      "version --format") echo 20.10.24 ;;
      "compose version") echo 2.26.1 ;;
      "compose up") ${up} ;;
      "image inspect") exit 0 ;;
      "network ls") echo "n1 watershed-control" ;; # its ports are its own
      "ps --all") echo ${listed} ;;
      "container inspect") echo '${container}'; ${inspected} ;;
      "logs --tail") echo 'one line'; echo 'infra/topology.yaml:3:1 nope: unknown key' ;;
      *) echo "unexpected: docker $*" >&2; exit 99 ;;
    esac`,
  });

  it("shows the last log lines of a container that ended, with its exit code", async () => {
    const commands = engine("echo 'dependency failed to start' >&2; exit 1", "c1");
    const { code, said } = await runWith(commands, "infra/cli/main.ts", "up", "--docker");
    expect(said).toContain("eu-west-a/origin exited with 2");
    expect(said).toContain("infra/topology.yaml:3:1 nope: unknown key");
    expect(said).toContain("one line");
    expect(said).toContain("(./watershed down ends the others)");
    expect(code).toBe(2);
  });

  it("does so though a container has gone since it was listed", async () => {
    const gone = "echo 'Error response from daemon: No such container: c2' >&2; exit 1";
    const commands = engine("echo 'dependency failed to start' >&2; exit 1", "c1; echo c2", gone);
    const { said } = await runWith(commands, "infra/cli/main.ts", "up", "--docker");
    expect(said).toContain("eu-west-a/origin exited with 2");
  });

  it("tells in one line what the engine says of a port that was taken meanwhile", async () => {
    const line = "Bind for 127.0.0.1:5300 failed: port is already allocated";
    const commands = engine(`echo 'Creating ns1'; echo 'ERROR: ${line}' >&2; exit 1`, "");
    const { code, said } = await runWith(commands, "infra/cli/main.ts", "up", "--docker");
    expect(said).toContain(`error: ${line}\n`);
    expect(code).toBe(2);
  });
});
