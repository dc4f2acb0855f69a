import { Hono } from "hono";
import net from "node:net";
import { originSchema } from "#shared/config/schema/origin.ts";
import { validate } from "#shared/config/load.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { SocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { dial } from "#shared/net/dial.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { Host } from "#shared/server/service.ts";
import { OriginService } from "#origin/service.ts";
import { ReplyParser, encodeCommand } from "#origin/resp2.ts";
import type { Reply } from "#origin/resp2.ts";
import { testHost } from "./host.ts";

interface ServerEntry {
  readonly name: string;
  readonly service: string;
  readonly address?: string;
  readonly proxyProtocol?: { readonly accept: "v1" | "v2" };
  readonly jobs?: { readonly slots?: number; readonly speed?: number };
}

export function originConfig(
  servers: readonly ServerEntry[],
  replicas: readonly string[] = [],
  telemetry: readonly string[] = [],
) {
  const entries = servers.map((server) => ({ address: "127.0.0.1:0", ...server }));
  const config = { zone: "eu-west-a", region: "eu-west", servers: entries, replicas, telemetry };
  return validate(config, "origin.yaml", originSchema);
}

/** The servers of a zone on free ports, and their admin API without a listener. */
export async function startOrigin(
  servers: readonly ServerEntry[],
  replicas: readonly string[] = [],
  overrides: Partial<Host> = {},
) {
  const host = testHost(overrides);
  const service = await OriginService.start(originConfig(servers, replicas), host);
  const app = new Hono();
  // As the admin API of every node does.
  app.onError((error, c) => c.json({ error: error.message }, error instanceof UsageError ? 400 : 500));
  service.extendAdmin(app);
  const find = (name: string) => {
    const server = service.servers.find((one) => one.config.name === name);
    if (!server) throw new Error(`the test has no server ${name}`);
    return server;
  };
  return {
    service,
    host,
    addressOf: (name: string) => find(name).address,
    url: (name: string, path: string) => `http://${find(name).address}${path}`,
    post: async (path: string) => {
      const response = await app.request(path, { method: "POST" });
      return { status: response.status, body: await response.text() };
    },
    get: async (path: string) => {
      const response = await app.request(path);
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    [Symbol.asyncDispose]: () => service.close(),
  };
}

export function socketAddress(address: string): SocketAddress {
  const parsed = parseSocketAddress(address);
  if (!parsed) throw new Error(`the test has a wrong address ${address}`);
  return parsed;
}

export function connect(address: string): Promise<net.Socket> {
  return dial({ ...socketAddress(address), timeoutMs: 5_000 });
}

/** Stands for a forwarder: carries bytes to one address, without a word of its own. */
export async function startRelay(target: () => string) {
  const sockets = new Set<net.Socket>();
  const sources: string[] = [];
  const listener = await listenTcp({
    address: "127.0.0.1:0",
    onConnection: (down) => {
      const up = net.connect(socketAddress(target()));
      sources.push(down.remoteAddress ?? "");
      for (const [socket, other] of [
        [down, up],
        [up, down],
      ] as const) {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          sockets.delete(socket);
          other.resetAndDestroy();
        });
        socket.pipe(other);
      }
    },
  });
  const close = async () => {
    await listener.close();
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return { address: listener.address, sources, sockets, close, [Symbol.asyncDispose]: close };
}

/** A client of a replica that sends one command after another. */
export async function connectReplica(address: string) {
  const socket = await connect(address);
  const parser = new ReplyParser();
  const chunks = socket.iterator({ destroyOnReturn: false });
  const read = async (): Promise<Reply> => {
    for (;;) {
      const next = parser.next();
      if (next.state === "done") return next.value;
      if (next.state === "invalid") throw new Error(next.why);
      const chunk = await chunks.next();
      if (chunk.done) throw new Error("the replica closed the connection");
      parser.push(chunk.value as Buffer);
    }
  };
  const write = (bytes: string | Uint8Array) => void socket.write(bytes);
  const ask = (...words: readonly string[]) => {
    write(encodeCommand(words));
    return read();
  };
  return { socket, read, write, ask, [Symbol.dispose]: () => void socket.destroy() };
}
