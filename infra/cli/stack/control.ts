import fs from "node:fs";
import net from "node:net";
import { z } from "zod";
import { UsageError, codeOf, messageOf } from "#shared/core/error.ts";
import { commandName } from "../command-name.ts";
import { controlFile } from "./state.ts";

const lineCharsMax = 4_096; // a command and its reply are some hundred characters
const answerLimitMs = 15_000; // a restart waits for the process to end first

const requestSchema = z.object({ do: z.enum(["start", "restart"]), node: z.string() });
/** What a launcher is asked: start a node that has ended, or end it first. */
export type ControlRequest = z.output<typeof requestSchema>;

const replySchema = z.union([
  z.object({ ok: z.literal(true), pid: z.int() }),
  z.object({ ok: z.literal(false), error: z.string() }),
]);
export type ControlReply = z.output<typeof replySchema>;

/** Listens for commands of this user in the state folder: one line of JSON, one line back.
 * @param handle its rejection is told to whoever asked
 * @throws the error of the socket, where it cannot be made (its path is longer than some 100 characters) */
export async function listenControl(
  dir: string,
  handle: (request: ControlRequest) => Promise<{ readonly pid: number }>,
): Promise<AsyncDisposable> {
  const file = controlFile(dir);
  fs.rmSync(file, { force: true }); // what a killed launcher left
  const connections = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    connections.add(socket);
    socket.on("error", () => {}); // Whoever asked is gone.
    socket.on("close", () => connections.delete(socket));
    void answer(socket, handle);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(file, resolve);
  });
  server.on("error", () => {}); // One connection less; the next one may come through.
  fs.chmodSync(file, 0o600);
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(
  socket: net.Socket,
  handle: (request: ControlRequest) => Promise<{ readonly pid: number }>,
): Promise<void> {
  let reply: ControlReply;
  try {
    const request = requestSchema.parse(JSON.parse(await readLine(socket)));
    reply = { ok: true, pid: (await handle(request)).pid };
  } catch (error) {
    reply = { ok: false, error: messageOf(error) };
  }
  socket.end(`${JSON.stringify(reply)}\n`);
}

/** Asks the launcher of a state folder.
 * @throws {UsageError} if there is none, or it refuses */
export async function askLauncher(dir: string, request: ControlRequest): Promise<{ readonly pid: number }> {
  const socket = net.connect(controlFile(dir));
  socket.setTimeout(answerLimitMs, () => socket.destroy(new Error(`no answer in ${answerLimitMs / 1_000} s`)));
  let reply: ControlReply;
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    reply = replySchema.parse(JSON.parse(await readLine(socket)));
  } catch (error) {
    const gone = ["ENOENT", "ECONNREFUSED"].includes(codeOf(error));
    throw new UsageError(gone ? `no launcher is up here: ${commandName()} up` : `the launcher: ${messageOf(error)}`);
  } finally {
    socket.destroy();
  }
  if (!reply.ok) throw new UsageError(`the launcher: ${reply.error}`);
  return reply;
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
