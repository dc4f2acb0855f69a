import { z } from "zod";
import { UsageError, codeOf, messageOf } from "#shared/core/error.ts";
import { commandName } from "../command-name.ts";
import { askLine, listenLines } from "./line-socket.ts";
import { controlFile } from "./state.ts";

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
export function listenControl(
  dir: string,
  handle: (request: ControlRequest) => Promise<{ readonly pid: number }>,
): Promise<AsyncDisposable> {
  return listenLines(controlFile(dir), async (asked) => {
    return { ok: true, pid: (await handle(requestSchema.parse(asked))).pid };
  });
}

/** Asks the launcher of a state folder.
 * @throws {UsageError} if there is none, or it refuses */
export async function askLauncher(dir: string, request: ControlRequest): Promise<{ readonly pid: number }> {
  let reply: ControlReply;
  try {
    reply = replySchema.parse(await askLine(controlFile(dir), request, answerLimitMs));
  } catch (error) {
    const gone = ["ENOENT", "ECONNREFUSED"].includes(codeOf(error));
    throw new UsageError(gone ? `no launcher is up here: ${commandName()} up` : `the launcher: ${messageOf(error)}`);
  }
  if (!reply.ok) throw new UsageError(`the launcher: ${reply.error}`);
  return reply;
}
