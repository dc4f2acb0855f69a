import fs from "node:fs";
import net from "node:net";
import { messageOf } from "#shared/core/error.ts";

const lineCharsMax = 65_536; // a status of traffic from every country is some 30 KB

/** Listens for commands of this user on a socket file: one line of JSON, one line back.
 * @param answer what goes back; its rejection is told as `{"ok": false, "error": "…"}`
 * @throws the error of the socket, where it cannot be made (its path is longer than some 100 characters) */
export async function listenLines(
  file: string,
  answer: (request: unknown) => Promise<Readonly<Record<string, unknown>>>,
): Promise<AsyncDisposable> {
  fs.rmSync(file, { force: true }); // what a killed process left
  const connections = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections.add(socket);
    socket.on("error", () => {}); // Whoever asked is gone.
    socket.on("close", () => connections.delete(socket));
    void answerOne(socket, answer);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(file, resolve);
  });
  server.on("error", () => {}); // One connection less; the next one may come through.
  fs.chmodSync(file, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroySoon();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answerOne(
  socket: net.Socket,
  answer: (request: unknown) => Promise<Readonly<Record<string, unknown>>>,
): Promise<void> {
  let reply: Readonly<Record<string, unknown>>;
  try {
    reply = await answer(JSON.parse(await readLine(socket)));
  } catch (error) {
    reply = { ok: false, error: messageOf(error) };
  }
  socket.end(`${JSON.stringify(reply)}\n`);
}

/** Asks whoever listens on a socket file.
 * @returns the reply, parsed
 * @throws the error of the socket: ENOENT or ECONNREFUSED where nobody listens */
export async function askLine(file: string, request: unknown, limitMs: number): Promise<unknown> {
  const socket = net.connect(file);
  socket.setTimeout(limitMs, () => socket.destroy(new Error(`no answer in ${limitMs / 1_000} s`)));
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await readLine(socket));
  } finally {
    socket.destroy();
  }
}

function readLine(socket: net.Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > lineCharsMax) reject(new Error("a line that is too long"));
    });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed before a whole line")));
  });
}
