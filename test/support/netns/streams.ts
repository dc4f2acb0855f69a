import { once } from "node:events";
import net from "node:net";
import { endOf } from "./ends.ts";

/** What an agent does with streams beyond asking and echoing: ends, resets, and clients that do not read. */

const seen: ("end" | "reset")[] = [];
const unread = new Map<number, net.Socket>();
let lastUnread = 0;

export async function serveEnds(host: string, port: number): Promise<void> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      if (chunk.toString() === "reset") socket.resetAndDestroy();
      else socket.write(chunk);
    });
    socket.on("end", () => socket.end());
    socket.on("close", () => seen.push(socket.readableEnded ? "end" : "reset"));
  });
  await once(server.listen(port, host), "listening");
}

export const endsSeen = () => seen.splice(0);

export async function talk(address: string, word: string, then: "end" | "reset" | "wait"): Promise<"end" | "reset"> {
  const socket = net.connect({ ...endOf(address), allowHalfOpen: true, noDelay: true });
  socket.on("error", () => {});
  await once(socket, "connect");
  const closed = new Promise((resolve) => socket.once("close", resolve)); // also after an error
  socket.once("data", () => {
    if (then === "reset") socket.resetAndDestroy();
    if (then === "end") socket.end();
  });
  socket.on("end", () => socket.end());
  socket.write(word);
  await closed;
  return socket.readableEnded ? "end" : "reset";
}

export async function flood(host: string, port: number, bytes: number): Promise<void> {
  const chunk = Buffer.alloc(65_536);
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    let left = bytes;
    const go = () => {
      while (left > 0) {
        const part = chunk.subarray(0, Math.min(left, chunk.length));
        left -= part.length;
        if (!socket.write(part)) return;
      }
      socket.end();
    };
    socket.on("drain", go);
    go();
  });
  await once(server.listen(port, host), "listening");
}

export async function holdUnread(address: string, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let i = 0; i < count; i++) {
    const socket = net.connect({ ...endOf(address), noDelay: true });
    socket.on("error", () => {});
    await once(socket, "connect");
    unread.set(++lastUnread, socket);
    ids.push(lastUnread);
  }
  return ids;
}

export function drainUnread(ids: readonly number[]): Promise<number[]> {
  return Promise.all(ids.map((id) => bytesOf(unread.get(id))));
}

async function bytesOf(socket: net.Socket | undefined): Promise<number> {
  if (!socket) return 0;
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => (bytes += chunk.length));
  await once(socket, "close");
  return bytes;
}
