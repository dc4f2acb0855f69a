import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { Router } from "#l7-router/router.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Host } from "#shared/server/service.ts";
import { testHost } from "#test/support/host.ts";
import { RawClient } from "#test/support/raw-client.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import type { Script } from "#test/support/scripted-backend.ts";

export interface RigOptions {
  readonly engine: EngineName;
  /** One backend for each. */
  readonly scripts?: readonly Script[];
  /** Endpoints that are not backends, tried before them. */
  readonly endpoints?: readonly string[];
  /** Merged into the config. */
  readonly config?: Record<string, unknown>;
  readonly pool?: Record<string, unknown>;
  /** Default: one, plain, at a free port. */
  readonly listeners?: readonly Record<string, unknown>[];
  readonly host?: Partial<Host>;
}

/** A router of one engine in front of scripted backends. */
export class Rig implements AsyncDisposable {
  readonly backends: readonly ScriptedBackend[];
  readonly router: Router;
  readonly host: Host;
  readonly #clients: RawClient[] = [];
  readonly #node: Record<string, unknown>;

  private constructor(backends: readonly ScriptedBackend[], router: Router, host: Host, node: Record<string, unknown>) {
    this.#node = node;
    this.backends = backends;
    this.router = router;
    this.host = host;
  }

  static async start(options: RigOptions): Promise<Rig> {
    const backends = await Promise.all((options.scripts ?? [{}]).map((script) => ScriptedBackend.start(script)));
    const addresses = [...(options.endpoints ?? []), ...backends.map((backend) => backend.address)];
    const { listeners = [{ address: "127.0.0.1:0" }] } = options;
    const node = { listeners, engine: options.engine, node: "router-1" };
    const config = l7RouterSchema.parse({
      ...node,
      routes: [{ match: { path: "/*" }, pool: "main" }],
      pools: { main: { endpoints: addresses.map((address) => ({ address })), ...options.pool } },
      ...options.config,
    });
    const host = testHost(options.host);
    const router = new Router(config, host);
    await router.listen();
    return new Rig(backends, router, host, node);
  }

  get backend(): ScriptedBackend {
    const [first] = this.backends;
    if (!first) throw new Error("a rig without a backend");
    return first;
  }

  get address(): string {
    return this.router.addresses[0] ?? "";
  }

  /** @param config but what names the node and its listener */
  async reload(config: Record<string, unknown>): Promise<void> {
    await this.router.reload(l7RouterSchema.parse({ ...this.#node, ...config }));
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.address);
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.socket.destroy();
    await this.router.close();
    await Promise.all(this.backends.map((backend) => backend[Symbol.asyncDispose]()));
  }
}

/** A head with Host; lines without their ends. */
export function head(startLine: string, ...lines: string[]): string {
  return `${[startLine, "Host: www.stream.test", ...lines].join("\r\n")}\r\n\r\n`;
}
