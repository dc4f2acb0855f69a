import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";

/** What an agent does with WebSockets. */

const held = new Map<number, WebSocket>();
let lastHeld = 0;

/** Says its name, then sends every message back. */
export async function serveWebSocket(host: string, port: number, name: string): Promise<void> {
  const server = new WebSocketServer({ host, port });
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.send(name);
    socket.on("message", (data, isBinary) => socket.send(data as Buffer, { binary: isBinary }));
  });
  await once(server, "listening");
}

export async function holdWebSockets(address: string, count: number): Promise<{ id: number; greeting: string }[]> {
  const opened: { id: number; greeting: string }[] = [];
  for (let i = 0; i < count; i++) {
    const socket = new WebSocket(`ws://${address}/`);
    const [greeting] = (await once(socket, "message")) as [Buffer];
    held.set(++lastHeld, socket);
    opened.push({ id: lastHeld, greeting: greeting.toString() });
  }
  return opened;
}

export async function echoWebSockets(ids: readonly number[], bytes: number): Promise<number> {
  const each = await Promise.all(ids.map((id) => isEchoed(held.get(id), randomBytes(bytes))));
  return each.filter(Boolean).length;
}

function isEchoed(socket: WebSocket | undefined, message: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    if (socket?.readyState !== WebSocket.OPEN) return resolve(false);
    const onClose = () => resolve(false);
    socket.once("message", (data) => {
      socket.off("close", onClose);
      resolve(message.equals(data as Buffer));
    });
    socket.once("close", onClose);
    socket.send(message);
  });
}

export function closeWebSockets(ids: readonly number[]): Promise<number[]> {
  return Promise.all(
    ids.map(async (id) => {
      const socket = held.get(id);
      if (!socket) return 0;
      const closed = once(socket, "close");
      socket.close(1_000);
      return ((await closed) as [number])[0];
    }),
  );
}
