import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, assert } from "#shared/core/error.ts";
import { adminToken } from "#shared/server/token.ts";
import { requestHttp } from "./http-client.ts";

const statusBytesMax = 32 * 1_048_576; // ten thousand endpoints of some 400 bytes in several pools

export interface AdminReply {
  readonly status: number;
  readonly text: string;
}

/** GET of the admin API of one node, with the token of the environment where there is one.
 * @param admin "address:port"
 * @throws {TrafficError} if no whole answer came within `timeoutMs` */
export function getAdmin(admin: string, path: string, timeoutMs: number): Promise<AdminReply> {
  return askAdmin("GET", admin, path, timeoutMs);
}

/** POST without a body: a change. @see getAdmin */
export function postAdmin(admin: string, path: string, timeoutMs: number): Promise<AdminReply> {
  return askAdmin("POST", admin, path, timeoutMs);
}

/** PUT of a JSON body. @see getAdmin */
export function putAdmin(admin: string, path: string, body: unknown, timeoutMs: number): Promise<AdminReply> {
  return askAdmin("PUT", admin, path, timeoutMs, Buffer.from(JSON.stringify(body)));
}

/** @see getAdmin */
export function deleteAdmin(admin: string, path: string, timeoutMs: number): Promise<AdminReply> {
  return askAdmin("DELETE", admin, path, timeoutMs);
}

async function askAdmin(
  method: "GET" | "POST" | "PUT" | "DELETE",
  admin: string,
  path: string,
  timeoutMs: number,
  body?: Buffer,
): Promise<AdminReply> {
  const address = parseSocketAddress(admin);
  assert(address, `${admin} was validated with the topology`);
  const answer = await requestHttp({
    ...address,
    method,
    target: path,
    headers: [...adminHeaders(admin), ["Connection", "close"], ...(method === "GET" ? [] : [lengthOf(body)])],
    body,
    connectTimeoutMs: timeoutMs,
    timeoutMs,
    bodyKeptBytesMax: statusBytesMax,
  });
  if (!answer.complete)
    throw new TrafficError("UPSTREAM_RESET", `${admin}: the answer was cut`, { origin: "upstream" });
  return { status: answer.status, text: answer.body.toString("utf8") };
}

const lengthOf = (body: Buffer | undefined) => ["Content-Length", String(body?.length ?? 0)] as const;

/** Headers of every request to an admin API. */
export function adminHeaders(admin: string): (readonly [string, string])[] {
  const token = adminToken();
  return [
    ["Host", admin],
    ["User-Agent", "watershed-cli"],
    ...(token ? [["Authorization", `Bearer ${token}`] as const] : []),
  ];
}

/** The JSON object at `path`.
 * @throws {TrafficError} also for a status other than 200, or anything that is no JSON object */
export async function getAdminJson(admin: string, path: string, timeoutMs: number): Promise<Record<string, unknown>> {
  const reply = await getAdmin(admin, path, timeoutMs);
  if (reply.status !== 200) throw new AdminRefusal(admin, reply.status);
  let value: unknown;
  try {
    value = JSON.parse(reply.text);
  } catch (cause) {
    throw invalid(`${admin} answered with something that is not JSON`, cause);
  }
  if (!isRecord(value)) throw invalid(`${admin} answered with JSON that is no object`);
  return value;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A node answered with another status than 200. */
export class AdminRefusal extends TrafficError {
  readonly status: number;

  constructor(admin: string, status: number) {
    super("UPSTREAM_INVALID", `${admin} answered ${refusalText(status)}`, { origin: "upstream" });
    this.status = status;
  }
}

/** "500", "401: set WATERSHED_ADMIN_TOKEN": what a node answered, and what to do about it. */
export function refusalText(status: number): string {
  if (status !== 401) return String(status);
  return adminToken() ? "401: WATERSHED_ADMIN_TOKEN is not the stack's" : "401: set WATERSHED_ADMIN_TOKEN";
}

function invalid(message: string, cause?: unknown): TrafficError {
  return new TrafficError("UPSTREAM_INVALID", message, { origin: "upstream", cause });
}
