import type { MirrorConfig } from "#shared/config/schema/route-actions.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Host } from "#shared/server/service.ts";
import type { Admitted } from "./admit.ts";
import type { UpstreamRequest, UpstreamTaker } from "./engine/engine.ts";
import type { RequestHead } from "./head.ts";
import type { Passage } from "./passage.ts";
import type { Site } from "./site.ts";
import type { RoutedPool } from "./snapshot.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";
import { Deadline } from "./wheel.ts";
import type { Wheel } from "./wheel.ts";

const activeMax = 128; // copies under way: a slow shadow must not fill the memory with them
const markLines = ["X-Watershed-Mirror", "true"] as const;

/** What is mirrored, and with what. */
export interface MirrorOptions {
  readonly config: MirrorConfig;
  readonly head: RequestHead;
  readonly request: UpstreamRequest;
  readonly routed: RoutedPool;
  readonly client: string;
  readonly limits: { readonly connectMs: number; readonly requestMs: number };
}

/** Copies of requests for servers that are tried out. Nobody waits for their answers. */
export class Mirrors {
  readonly host: Host;
  readonly wheel: Wheel;
  #active = 0;

  constructor(host: Host, wheel: Wheel) {
    this.host = host;
    this.wheel = wheel;
  }

  /** @returns who gathers the copy, if this request is drawn for one */
  begin(options: MirrorOptions): Mirror | undefined {
    const { config, head, request } = options;
    if (!config.methods.includes(request.method) || request.upgrade) return undefined;
    if (head.headerValues("x-watershed-mirror").length > 0) return undefined; // Copies of copies would never end.
    if (this.host.random() * 100 >= config.percent) return undefined;
    if (this.#active >= activeMax) {
      this.count(config.pool, "LIMIT_REACHED");
      return undefined;
    }
    this.#active++;
    return new Mirror(options, this);
  }

  ended(pool: string, outcome: Reason): void {
    this.#active--;
    this.count(pool, outcome);
  }

  count(pool: string, outcome: Reason): void {
    this.host.metrics.count("watershed_http_mirrored_total", { pool, result: outcome });
  }
}

/** @returns who gathers a copy of a request; it has gone already where there is no body to wait for */
export function mirrorOf(
  { head, mirror }: Admitted,
  request: UpstreamRequest,
  { snapshot, mirrors }: Site,
  { client }: Passage,
): Mirror | undefined {
  const routed = mirror && snapshot.pools.get(mirror.pool);
  if (!mirror || !routed) return undefined;
  const limits = snapshot.config.timeouts;
  const copy = mirrors.begin({ config: mirror, head, request, routed, client, limits });
  if (request.framing.kind === "none") copy?.launch();
  return copy;
}

/** One copy: gathered until its body is whole, then sent once. Whatever happens to it is counted and goes no further. */
export class Mirror extends Deadline implements UpstreamTaker {
  readonly #options: MirrorOptions;
  readonly #mirrors: Mirrors;
  readonly #opening = new AbortController();
  #pieces: Buffer[] = [];
  #bytes = 0;
  #endpoint: Endpoint | undefined;
  #connection: UpstreamConnection | undefined;
  #isLaunched = false;
  #isOver = false;

  constructor(options: MirrorOptions, mirrors: Mirrors) {
    super();
    this.#options = options;
    this.#mirrors = mirrors;
  }

  add(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#options.config.bodyBytes) this.#end("BODY_TOO_LARGE");
    else if (!this.#isOver) this.#pieces.push(chunk);
  }

  /** The request is whole. Never throws. */
  launch(): void {
    if (this.#isLaunched || this.#isOver) return;
    this.#isLaunched = true;
    const { routed, client, limits } = this.#options;
    const { endpoint, reason } = routed.pool.choose({ hash: hash32(client), tried: [] });
    if (!endpoint) return this.#end(reason);
    endpoint.begin();
    this.#endpoint = endpoint;
    this.#mirrors.wheel.arm(this, limits.requestMs);
    const kept = routed.connections.take(endpoint);
    if (kept) return this.#send(kept);
    const { signal } = this.#opening;
    routed.connections.connect(endpoint, limits.connectMs, signal).then(
      (connection) => (this.#isOver ? connection.destroy() : this.#send(connection)),
      (error: unknown) => this.#end(reasonOf(error)),
    );
  }

  /** The request itself is over: a copy that is not whole by now never will be. */
  drop(): void {
    if (!this.#isLaunched) this.#end("CLIENT_GONE");
  }

  #send(connection: UpstreamConnection): void {
    const { request } = this.#options;
    this.#connection = connection;
    connection.send({ ...request, headers: [...request.headers, ...markLines] }, this);
    for (const piece of this.#pieces) connection.write(piece);
    this.#pieces = [];
    if (request.framing.kind !== "none") connection.end([]);
    connection.flush(); // The body is bounded, so whether there is room makes no difference.
  }

  onInformation(): void {}
  onAnswer(): void {}
  onAnswerBody(): void {}
  onAnswerFlush(): void {}
  onServerRoom(): void {}
  onUpgrade(): void {}

  onAnswerEnd(): void {
    this.#connection = undefined;
    this.#end("OK");
  }

  onServerError({ reason }: TrafficError): void {
    this.#connection = undefined;
    this.#end(reason);
  }

  override onDue(): void {
    this.#end("TIMEOUT");
  }

  #end(outcome: Reason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pieces = [];
    this.#mirrors.wheel.disarm(this);
    this.#opening.abort();
    this.#connection?.cancel(this);
    this.#endpoint?.end();
    this.#mirrors.ended(this.#options.config.pool, outcome);
  }
}

function reasonOf(error: unknown): Reason {
  return error instanceof TrafficError ? error.reason : "CONNECT_FAILED";
}
