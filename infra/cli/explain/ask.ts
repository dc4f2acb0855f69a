import { TrafficError, UsageError } from "#shared/core/error.ts";
import { getAdmin, isRecord, refusalText } from "../admin-client.ts";
import type { NameServer } from "../name-servers.ts";

const answerTimeoutMs = 2_000;

/** What a node explains: the first of these that answers.
 * @param path with its query
 * @throws {UsageError} if the node says that the question makes no sense
 * @throws {TrafficError} if none answers */
export async function askFirst(
  servers: readonly NameServer[],
  path: string,
): Promise<{ readonly server: NameServer; readonly told: Readonly<Record<string, unknown>> }> {
  let last: unknown;
  for (const server of servers)
    try {
      const { status, text } = await getAdmin(server.admin, path, answerTimeoutMs);
      const told: unknown = JSON.parse(text);
      if (status === 400 && isRecord(told))
        throw new UsageError(typeof told["error"] === "string" ? told["error"] : text);
      if (status === 200 && isRecord(told)) return { server, told };
      throw new TrafficError("UPSTREAM_INVALID", `${server.name} answered ${refusalText(status)}`, {
        origin: "upstream",
      });
    } catch (error) {
      if (error instanceof UsageError) throw error;
      last = error;
    }
  throw last;
}
