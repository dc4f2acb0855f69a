import { writeFile } from "node:fs/promises";
import path from "node:path";
import { haproxy, nginxProxy, router } from "./peers.ts";
import type { Ports } from "./peers.ts";

export const ours = "watershed";

/** A proxy that is measured. */
export interface Contender {
  readonly name: string;
  /** A program without which it is left out. */
  readonly needs?: string;
  /** @param folder for its config */
  argv(folder: string, ports: Ports): Promise<readonly string[]>;
}

const script = (name: string) => path.join(import.meta.dirname, name);
const service = path.join(import.meta.dirname, "../../../services/l7-router/main.ts");

/** Writes a config file. @returns its path */
export async function put(folder: string, name: string, text: string): Promise<string> {
  const file = path.join(folder, name);
  await writeFile(file, text);
  return file;
}

async function routerArgv(folder: string, ports: Ports, engine: "wire" | "http-proxy"): Promise<string[]> {
  return [process.execPath, service, "--config", await put(folder, `${engine}.yaml`, router(ports, engine))];
}

function httpProxyArgv({ proxy, backend }: Ports): string[] {
  return [process.execPath, "--no-deprecation", script("plain-http-proxy.ts"), String(proxy), String(backend)];
}

export const contenders: readonly Contender[] = [
  { name: ours, argv: (folder, ports) => routerArgv(folder, ports, "wire") },
  { name: "watershed (http-proxy engine)", argv: (folder, ports) => routerArgv(folder, ports, "http-proxy") },
  {
    name: "http-proxy", // as it comes: a connection to the server for every request
    argv: async (_, ports) => httpProxyArgv(ports),
  },
  { name: "http-proxy, keep-alive", argv: async (_, ports) => [...httpProxyArgv(ports), "keep-alive"] },
  {
    name: "undici",
    argv: async (_, ports) => [process.execPath, script("plain-undici.ts"), String(ports.proxy), String(ports.backend)],
  },
  {
    name: "nginx",
    needs: "nginx",
    argv: async (folder, ports) => ["nginx", "-c", await put(folder, "proxy.conf", nginxProxy(ports, folder))],
  },
  {
    name: "haproxy",
    needs: "haproxy",
    argv: async (folder, ports) => ["haproxy", "-db", "-f", await put(folder, "haproxy.cfg", haproxy(ports))],
  },
];
