import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Work, WorkName } from "./work.ts";

/** Why tests cannot make network namespaces and rules here, in one line; undefined if they can. */
export function whyNoNamespaces(): string | undefined {
  for (const program of ["unshare", "nsenter", "ip", "nft", "conntrack"])
    if (spawnSync("which", [program]).status !== 0) return `${program} is not installed`;
  const made = spawnSync("unshare", ["--net", "nft", "add", "table", "inet", "probe"], { encoding: "utf8" });
  return made.status === 0 ? undefined : `no network namespace with rules of its own: ${made.stderr.trim()}`;
}

/** A network namespace, which lives as long as the agent in it. */
export class Namespace {
  readonly #agent: ChildProcess;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #lastId = 0;

  private constructor(agent: ChildProcess) {
    this.#agent = agent;
    agent.on("message", ({ id, result, error }: { id: number; result?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
  }

  static async make(): Promise<Namespace> {
    const script = new URL("agent.ts", import.meta.url).pathname;
    const agent = spawn("unshare", ["--net", process.execPath, script], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const namespace = new Namespace(agent);
    await namespace.do("ready");
    await namespace.do("run", "ip", ["link", "set", "lo", "up"]);
    return namespace;
  }

  get pid(): number {
    return this.#agent.pid ?? 0;
  }

  do<Name extends WorkName>(name: Name, ...args: Work[Name]["takes"]): Promise<Work[Name]["gives"]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as Work[Name]["gives"]), reject });
      this.#agent.send({ id, name, args });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#agent.exitCode !== null) return;
    this.#agent.disconnect();
    await once(this.#agent, "exit");
  }
}

/** A client, a forwarder and servers on one bridge: every server could answer the client past the forwarder. */
export class Network implements AsyncDisposable {
  readonly client: Namespace;
  readonly forwarder: Namespace;
  readonly servers: Namespace;
  readonly #bridge: Namespace;

  private constructor(bridge: Namespace, client: Namespace, forwarder: Namespace, servers: Namespace) {
    this.#bridge = bridge;
    this.client = client;
    this.forwarder = forwarder;
    this.servers = servers;
  }

  static async make(): Promise<Network> {
    const [bridge, client, forwarder, servers] = await Promise.all(Array.from({ length: 4 }, () => Namespace.make()));
    if (!bridge || !client || !forwarder || !servers) throw new Error("four were made");
    const network = new Network(bridge, client, forwarder, servers);
    await bridge.do("run", "ip", ["link", "add", "br0", "type", "bridge"]);
    await bridge.do("run", "ip", ["link", "set", "br0", "up"]);
    await network.#plug("c", client, ["10.77.0.1", "10.77.0.2", "10.77.0.3"]);
    await network.#plug("f", forwarder, ["10.77.0.5"]);
    await network.#plug(
      "s",
      servers,
      Array.from({ length: 10 }, (_, i) => `10.77.0.${11 + i}`),
    );
    await forwarder.do("run", "sysctl", ["-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
    return network;
  }

  async #plug(name: string, namespace: Namespace, addresses: readonly string[]): Promise<void> {
    const run = (...args: string[]) => this.#bridge.do("run", "ip", args);
    await run("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", String(namespace.pid));
    await run("link", "set", name, "master", "br0", "up");
    for (const address of addresses)
      await namespace.do("run", "ip", ["address", "add", `${address}/24`, "dev", "eth0"]);
    for (const address of addresses)
      await namespace.do("run", "ip", ["address", "add", `${sixOf(address)}/64`, "dev", "eth0", "nodad"]);
    await namespace.do("run", "ip", ["link", "set", "eth0", "up"]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.client, this.forwarder, this.servers, this.#bridge];
    await Promise.all(all.map((namespace) => namespace[Symbol.asyncDispose]()));
  }
}

/** "10.77.0.11" → "fd77::11": every machine of the bridge has both. */
function sixOf(address: string): string {
  return `fd77::${address.slice(address.lastIndexOf(".") + 1)}`;
}

/** The forwarder as a process of its own in a namespace, with its admin API at 127.0.0.1:7080 there unless told otherwise. */
export class ForwarderProcess implements AsyncDisposable {
  readonly #namespace: Namespace;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #admin: string;
  readonly #output: string[] = [];

  private constructor(namespace: Namespace, child: ChildProcess, folder: string, admin: string) {
    this.#admin = admin;
    this.#namespace = namespace;
    this.#child = child;
    this.#folder = folder;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => this.#output.push(String(chunk)));
  }

  /** @param config as YAML would give it */
  static async start(namespace: Namespace, config: Record<string, unknown>): Promise<ForwarderProcess> {
    const folder = await mkdtemp(path.join(tmpdir(), "watershed-netns-"));
    const file = path.join(folder, "l4-forwarder.yaml");
    await writeFile(file, JSON.stringify(withAdmin(config)));
    const main = new URL("../../../services/l4-forwarder/main.ts", import.meta.url).pathname;
    const command = ["-t", String(namespace.pid), "-n", process.execPath, main, "--config", file];
    const child = spawn("nsenter", command, { stdio: ["ignore", "pipe", "pipe"] });
    const { admin } = withAdmin(config);
    const forwarder = new ForwarderProcess(namespace, child, folder, admin);
    await forwarder.#untilReady();
    return forwarder;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it has said. */
  get output(): string {
    return this.#output.join("");
  }

  async reload(config: Record<string, unknown>): Promise<void> {
    await writeFile(path.join(this.#folder, "l4-forwarder.yaml"), JSON.stringify(withAdmin(config)));
    await this.admin("/reload", "POST");
  }

  /** @throws {Error} unless the answer is 2xx */
  async admin(target: string, method = "GET"): Promise<Record<string, never>> {
    const { status, body } = await this.#namespace.do("http", method, `http://${this.#admin}${target}`);
    if (status >= 300) throw new Error(`${method} ${target}: ${status} ${body}`);
    return JSON.parse(body) as Record<string, never>;
  }

  async metrics(): Promise<string> {
    return (await this.#namespace.do("http", "GET", `http://${this.#admin}/metrics`)).body;
  }

  /** Asks again and again, for so long as a check of its servers may take, and longer. */
  async until(what: string, isSo: () => Promise<boolean>, limitMs = 10_000): Promise<void> {
    const endMs = performance.now() + limitMs;
    while (!(await isSo()))
      if (performance.now() > endMs || this.#child.exitCode !== null)
        throw new Error(`not within ${limitMs} ms: ${what}\n${this.output}`);
  }

  async #untilReady(): Promise<void> {
    await this.until("ready", async () => {
      if (this.#child.exitCode !== null) throw new Error(this.output);
      const answer = await this.#namespace.do("http", "GET", `http://${this.#admin}/readyz`).catch(() => undefined);
      return answer?.status === 200;
    });
  }

  /** @returns its exit code */
  async end(signal: "SIGTERM" | "SIGKILL" | "SIGINT" = "SIGINT"): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const exit = once(this.#child, "exit");
      this.#child.kill(signal);
      await exit;
    }
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
    await rm(this.#folder, { recursive: true });
  }
}

function withAdmin(config: Record<string, unknown>): Record<string, unknown> & { readonly admin: string } {
  const { admin = "127.0.0.1:7080" } = config;
  return { ...config, admin: String(admin) };
}
