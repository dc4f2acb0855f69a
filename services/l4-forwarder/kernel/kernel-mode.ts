import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import type { Host } from "#shared/server/service.ts";
import { KernelPlane } from "./plane.ts";
import { approximations } from "./plan/model.ts";
import type { SlotPlan } from "./plan/model.ts";
import type { RunProgram } from "./program.ts";
import { findSupport, modeOf } from "./support.ts";
import type { KernelSupport, ListenerMode } from "./support.ts";
import type { KernelListener } from "./table.ts";

const elsewhere: ListenerMode = { mode: "userspace", why: "the first process of the node keeps the kernel's rules" };
const userspace: ListenerMode = { mode: "userspace", why: "configured" };

/** Which listeners the kernel carries, and the plane that makes it do so. Costs nothing while no listener asks for it. */
export class KernelMode {
  readonly #host: Host;
  readonly #run: RunProgram;
  readonly #identity: string;
  #support: KernelSupport | undefined;
  #plane: KernelPlane | undefined;
  #modes: ReadonlyMap<string, ListenerMode> = new Map();

  constructor(host: Host, run: RunProgram, identity: string) {
    this.#host = host;
    this.#run = run;
    this.#identity = identity;
  }

  /** Decides for every listener of a config. Nothing changes before `carry`.
   * @throws {UsageError} if the kernel is asked for and cannot be used: says what is missing */
  async decide(config: L4ForwarderConfig): Promise<ReadonlyMap<string, ListenerMode>> {
    if (this.#host.sharing === "next") return new Map(config.listeners.map((one) => [keyOf(one), elsewhere]));
    const isAsked = config.listeners.some(({ mode }) => (mode ?? config.mode) !== "userspace");
    if (isAsked) this.#support ??= await findSupport(this.#run);
    return new Map(config.listeners.map((listener) => [keyOf(listener), modeOf(listener, config, this.#support)]));
  }

  /** Makes the kernel carry what was decided for it, and no more.
   * @throws {UsageError} with what nft says, if it refuses; then everything is carried in userspace */
  async carry(
    listeners: readonly KernelListener[],
    config: L4ForwarderConfig,
    modes: ReadonlyMap<string, ListenerMode>,
  ): Promise<void> {
    this.#modes = modes;
    const inKernel = listeners.filter((listener) => modes.get(keyOf(listener.config))?.mode === "kernel");
    if (inKernel.length === 0 && !this.#plane) return;
    this.#plane ??= new KernelPlane({
      host: this.#host,
      run: this.#run,
      identity: this.#identity,
      canSetTimeouts: this.#support?.timeouts ?? false,
    });
    try {
      await this.#plane.carry(inKernel, config);
    } catch (error) {
      this.#modes = new Map();
      throw error;
    }
  }

  modeOf(listener: L4ListenerConfig): ListenerMode {
    return this.#modes.get(keyOf(listener)) ?? userspace;
  }

  /** In what the kernel differs from userspace for a listener, for people. */
  approximationsOf({ config, pool }: KernelListener): string[] {
    if (this.modeOf(config).mode !== "kernel") return [];
    const algorithm = approximations[pool.balance];
    return [
      ...(algorithm === undefined ? [] : [algorithm]),
      "a refused connect is not tried elsewhere: the checks take the server out",
      ...(pool.config.outlier ? ["outlier: real traffic ejects nobody"] : []),
      ...(config.connectionsPerServer === undefined ? [] : ["connectionsPerServer: one that went on counts for both"]),
      this.#support?.timeouts
        ? "timeouts.idle: a silent connection is forgotten, and reset when it speaks again"
        : "timeouts.idle: the kernel's own limits hold",
    ];
  }

  /** Who is in the slots of a listener; undefined where userspace carries it. */
  planFor(listener: KernelListener): SlotPlan | undefined {
    return this.#plane?.planFor(listener);
  }

  /** Rows of `GET /connections`. */
  connections(): readonly Record<string, unknown>[] {
    return this.#plane?.connections() ?? [];
  }

  /** Of the connection from "ip:port", as the kernel remembers it. */
  async findDecision(downstream: string): Promise<Decision | undefined> {
    return this.#plane?.findDecision(downstream);
  }

  get count(): number {
    return this.#plane?.count ?? 0;
  }

  /** Undefined while the kernel carries nothing. */
  status(): Record<string, unknown> | undefined {
    return this.#plane?.status();
  }

  /** Takes over what has changed in the pools. */
  async refresh(): Promise<void> {
    await this.#plane?.refresh();
  }

  async finish(): Promise<void> {
    await this.#plane?.finish();
  }

  async stop(): Promise<void> {
    await this.#plane?.stop();
  }
}

/** A listener stays the same over reloads by this; two may both ask for any free port. */
export function keyOf({ protocol, address, pool }: L4ListenerConfig): string {
  return address.endsWith(":0") ? `${protocol} ${address} ${pool}` : `${protocol} ${address}`;
}

/** What of a kernel listener stays the same for as long as its forwarder lives; a restart finds its old table by it. */
export function identityOf({ node, admin, localAddress, listeners }: L4ForwarderConfig): string {
  return [node, admin, localAddress, listeners[0]?.address].join(" ");
}
