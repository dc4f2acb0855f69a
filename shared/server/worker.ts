import { UsageError, assert, messageOf } from "#shared/core/error.ts";
import { createHost } from "./host.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { NodeConfig, ServiceDefinition } from "./service.ts";
import type { FromWorker, ToWorker } from "./worker-messages.ts";

/** Set in the environment of a worker. */
export const workerVariable = "WATERSHED_WORKER";

export function isWorker(): boolean {
  return process.env[workerVariable] !== undefined;
}

/** The main of a worker: the same service on the same sockets, told by the first process what to do. It has no admin
 * listener, decides on health by itself, and ends when the first process does. */
export function runWorker<Config extends NodeConfig>(definition: ServiceDefinition<Config>): void {
  let current: { readonly lifecycle: Lifecycle<Config>; config: Config } | undefined;
  // To a first process that is gone there is nothing left to say: without the callback the loss is an error nobody takes.
  const say = (message: FromWorker) => process.send?.(message, undefined, undefined, () => {});

  const start = async (config: Config, seed: Uint8Array) => {
    const host = createHost(definition.name, config, "next", seed);
    host.events.subscribe(({ type, data }) => {
      if (type !== "decision") return void say({ id: "event", type, data });
      if (typeof data["id"] !== "string") return;
      const { id: name, ...decision } = data;
      say({ id: "decision", name, decision });
    });
    const lifecycle = new Lifecycle(definition, host, () => current?.config ?? config);
    current = { lifecycle, config: withoutAdmin(config) };
    lifecycle.obeySignals();
    await lifecycle.start(current.config);
  };

  const obey = async (message: ToWorker<Config>): Promise<Partial<FromWorker & { metrics: unknown }>> => {
    if (message.ask === "start") await start(message.config, message.seed);
    assert(current, "a worker is started before it is asked");
    const { lifecycle } = current;
    if (message.ask === "reload") {
      current.config = withoutAdmin(message.config);
      await lifecycle.reload();
    }
    if (message.ask === "read") return { text: await lifecycle.read(message.path) };
    if (message.ask === "change") await lifecycle.change(message);
    return message.ask === "metrics" ? { metrics: await lifecycle.metrics() } : {};
  };

  process.on("message", (message: ToWorker<Config>) => {
    const { id } = message;
    obey(message).then(
      (answer) => say({ id, ...answer } as FromWorker),
      (error: unknown) => say({ id, error: messageOf(error), isUsage: error instanceof UsageError }),
    );
  });
}

function withoutAdmin<Config extends NodeConfig>(config: Config): Config {
  return { ...config, admin: undefined };
}
