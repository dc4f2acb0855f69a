import type { Engine } from "./engine.ts";
import { createHttpProxyEngine } from "./http-proxy/engine.ts";
import { createWireEngine } from "./wire/engine.ts";

/** Every engine, by its name in the config. */
export const engines = {
  wire: createWireEngine,
  "http-proxy": createHttpProxyEngine,
} as const satisfies Record<string, () => Engine>;

export type EngineName = keyof typeof engines;
