import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseSocketAddress } from "#shared/core/cidr.ts";

export interface UnboundOptions {
  /** "address:port" that it listens on. */
  readonly listen: string;
  /** Source of its own queries: what the name server steers by. */
  readonly outgoing: string;
  readonly dnsZone: string;
  /** "address:port" of the name server of that dnsZone. */
  readonly nameServer: string;
  /** Trusted DNSKEY or DS records, in the form of zone files. */
  readonly trustAnchors: readonly string[];
}

/** A validating resolver of its own, that asks one name server. */
export class Unbound implements AsyncDisposable {
  readonly address: string;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(address: string, folder: string, child: ChildProcess) {
    this.address = address;
    this.#folder = folder;
    this.#child = child;
  }

  static async start(options: UnboundOptions): Promise<Unbound> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "watershed-unbound-"));
    const file = path.join(folder, "unbound.conf");
    await writeFile(file, configOf(options, folder));
    const child = spawn("unbound", ["-d", "-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    const unbound = new Unbound(options.listen, folder, child);
    try {
      await started(child);
    } catch (error) {
      await unbound[Symbol.asyncDispose]();
      throw error;
    }
    return unbound;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    if (this.#child.exitCode === null && this.#child.kill("SIGTERM")) await ended;
    await rm(this.#folder, { recursive: true });
  }
}

/** Resolves once it answers. @throws if it ends before */
function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.includes("start of service")) resolve();
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`unbound ended with ${code}: ${said}`)));
  });
}

function configOf({ listen, outgoing, dnsZone, nameServer, trustAnchors }: UnboundOptions, folder: string): string {
  const own = parseSocketAddress(listen);
  const server = parseSocketAddress(nameServer);
  if (!own || !server) throw new Error("addresses of the form address:port");
  return [
    "server:",
    `  interface: ${own.host}@${own.port}`,
    `  outgoing-interface: ${outgoing}`,
    "  access-control: 127.0.0.0/8 allow",
    "  do-daemonize: no",
    "  do-not-query-localhost: no",
    '  username: ""',
    '  chroot: ""',
    `  directory: "${folder}"`,
    '  pidfile: ""',
    "  use-syslog: no",
    "  verbosity: 1",
    "  num-threads: 1",
    "  outgoing-range: 64",
    "  num-queries-per-thread: 32",
    '  module-config: "validator iterator"',
    `  local-zone: "${dnsZone}." nodefault`,
    `  local-zone: "test." nodefault`,
    "  minimal-responses: no",
    "  aggressive-nsec: yes",
    ...trustAnchors.map((anchor) => `  trust-anchor: "${anchor}"`),
    "remote-control:",
    "  control-enable: no",
    "stub-zone:",
    `  name: "${dnsZone}."`,
    `  stub-addr: ${server.host}@${server.port}`,
    "",
  ].join("\n");
}
