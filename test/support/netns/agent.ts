import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import dgram from "node:dgram";
import { once } from "node:events";
import net from "node:net";
import { closeWebSockets, echoWebSockets, holdWebSockets, serveWebSocket } from "./web-sockets.ts";
import { drainUnread, endsSeen, flood, holdUnread, serveEnds, talk } from "./streams.ts";
import { endOf } from "./ends.ts";
import type { Work, WorkName } from "./work.ts";

/** What runs inside a network namespace, and does there what a test says: its servers, its clients, its commands. */

const held = new Map<number, net.Socket>();
const servers = new Map<string, net.Server | dgram.Socket>();
let lastHeld = 0;

const works: {
  [Name in WorkName]: (...args: Work[Name]["takes"]) => Promise<Work[Name]["gives"]> | Work[Name]["gives"];
} = {
  ready: () => true,

  run(program, args, input) {
    const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8", input });
    if (error || status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? stderr}`);
    return stdout;
  },

  /** Says its name and whom it sees, then sends back what comes; a stream of zeros is asked for by a line. */
  async serve(host, port, name) {
    const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on("error", () => {});
      socket.write(`${name} ${socket.remoteAddress ?? ""}\n`);
      socket.pipe(socket);
    });
    await once(server.listen(port, host, 4_096), "listening");
    servers.set(`tcp ${host}:${port}`, server);
  },

  /** Takes all that comes and answers its SHA-256 once the client has ended. */
  async digest(host, port) {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const hash = createHash("sha256");
      socket.on("error", () => {});
      socket.on("data", (chunk) => hash.update(chunk)).on("end", () => socket.end(hash.digest("hex")));
    });
    await once(server.listen(port, host), "listening");
    servers.set(`tcp ${host}:${port}`, server);
  },

  async serveUdp(host, port, name) {
    const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.on("message", (datagram, from) => {
      socket.send(`${name} ${from.address} ${datagram.toString()}`, from.port, from.address);
    });
    socket.bind(port, host);
    await once(socket, "listening");
    servers.set(`udp ${host}:${port}`, socket);
  },

  stop(protocol, host, port) {
    servers.get(`${protocol} ${host}:${port}`)?.close();
    servers.delete(`${protocol} ${host}:${port}`);
  },

  /** @returns the first line that each connection is greeted with; "refused", "reset" or "timeout" where there is none */
  async ask(address, times, options) {
    const answers: string[] = [];
    for (let i = 0; i < times; i++) answers.push(await greetingOf(address, options?.from, options?.limitMs));
    return answers;
  },

  async askUdp(address, times, options) {
    const answers: string[] = [];
    const socket = options?.oneSocket ? await udpSocket(address, options.from) : undefined;
    for (let i = 0; i < times; i++) {
      const own = socket ?? (await udpSocket(address, options?.from));
      answers.push(await answerOf(own, address, options?.text ?? `datagram ${i}`));
      if (!socket) own.close();
    }
    socket?.close();
    return answers;
  },

  /** Opens connections that stay: their numbers, and what they were greeted with. */
  async hold(address, count) {
    const opened: { id: number; greeting: string }[] = [];
    for (let i = 0; i < count; i++) {
      const socket = net.connect({ ...endOf(address), noDelay: true });
      socket.on("error", () => {});
      const greeting = await firstLine(socket, 5_000);
      held.set(++lastHeld, socket);
      opened.push({ id: lastHeld, greeting });
    }
    return opened;
  },

  /** Sends a line over each, and says how many came back. */
  async echo(ids) {
    const each = await Promise.all(ids.map((id) => echoed(held.get(id))));
    return each.filter(Boolean).length;
  },

  drop(ids) {
    for (const id of ids) held.get(id)?.destroy();
  },

  /** Sends so many bytes and returns the digest that comes back, and the one that is right. */
  async send(address, bytes, chunkBytes) {
    const socket = net.connect({ ...endOf(address), allowHalfOpen: true });
    const hash = createHash("sha256");
    await once(socket, "connect");
    const chunk = Buffer.alloc(chunkBytes);
    for (let sent = 0, i = 0; sent < bytes; i++) {
      chunk.fill(i & 0xff);
      const part = chunk.subarray(0, Math.min(chunkBytes, bytes - sent));
      hash.update(part);
      sent += part.length;
      if (!socket.write(Buffer.from(part))) await once(socket, "drain");
    }
    socket.end();
    let got = "";
    for await (const part of socket) got += String(part);
    return { sent: hash.digest("hex"), got };
  },

  serveEnds,
  endsSeen,
  talk,
  flood,
  holdUnread,
  drainUnread,
  serveWebSocket,
  holdWebSockets,
  echoWebSockets,
  closeWebSockets,

  async http(method, url) {
    const response = await fetch(url, { method });
    return { status: response.status, body: await response.text() };
  },
};

async function greetingOf(address: string, from: string | undefined, limitMs = 3_000): Promise<string> {
  const socket = net.connect({ ...endOf(address), ...(from !== undefined && { localAddress: from }) });
  const greeting = await firstLine(socket, limitMs);
  socket.destroy();
  return greeting;
}

function firstLine(socket: net.Socket, limitMs: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const timer = setTimeout(() => resolve("timeout"), limitMs);
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) done(text.slice(0, text.indexOf("\n")));
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      done(error.code === "ECONNREFUSED" ? "refused" : error.code === "ECONNRESET" ? "reset" : (error.code ?? ""));
    });
    socket.on("close", () => done("closed"));
    const done = (line: string) => {
      clearTimeout(timer);
      socket.removeAllListeners("data");
      resolve(line);
    };
  });
}

function echoed(socket: net.Socket | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    if (!socket || socket.destroyed) return resolve(false);
    const done = (ok: boolean) => {
      clearTimeout(timer);
      socket.off("data", onData).off("close", onClose);
      resolve(ok);
    };
    const onData = (chunk: Buffer) => done(chunk.toString() === "hello\n");
    const onClose = () => done(false);
    const timer = setTimeout(onClose, 3_000);
    socket.on("data", onData).on("close", onClose);
    socket.write("hello\n");
  });
}

async function udpSocket(address: string, from: string | undefined): Promise<dgram.Socket> {
  const socket = dgram.createSocket(address.startsWith("[") ? "udp6" : "udp4");
  socket.bind(0, from);
  await once(socket, "listening");
  return socket;
}

function answerOf(socket: dgram.Socket, address: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const { host, port } = endOf(address);
    const timer = setTimeout(() => resolve("timeout"), 1_000);
    socket.once("message", (datagram) => {
      clearTimeout(timer);
      resolve(datagram.toString());
    });
    socket.send(text, port, host);
  });
}

process.on("message", (order: { id: number; name: WorkName; args: unknown[] }) => {
  void (async () => {
    try {
      const work = works[order.name] as (...args: unknown[]) => unknown;
      process.send?.({ id: order.id, result: await work(...order.args) });
    } catch (error) {
      process.send?.({ id: order.id, error: error instanceof Error ? error.message : String(error) });
    }
  })();
});
process.on("disconnect", () => process.exit(0));
