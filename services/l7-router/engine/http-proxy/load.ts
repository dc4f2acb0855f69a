import { createRequire } from "node:module";
import util from "node:util";
import type httpProxy from "http-proxy";

/** http-proxy 1.18.1 takes the deprecated util._extend at load and calls it for every request: it is handed the function
 * that the deprecation points to, so that operators see no warning that they can do nothing about. */
function load(): typeof httpProxy {
  const former: unknown = Reflect.get(util, "_extend");
  Reflect.set(util, "_extend", Object.assign);
  try {
    return createRequire(import.meta.url)("http-proxy") as typeof httpProxy;
  } finally {
    Reflect.set(util, "_extend", former);
  }
}

const loaded = load();

export function createProxyServer(): httpProxy {
  return loaded.createProxyServer({});
}
