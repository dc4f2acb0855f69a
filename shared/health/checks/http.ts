import type { Socket } from "node:net";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import type { HealthConfig } from "#shared/config/schema/common.ts";
import type { CheckResult, CheckTarget } from "../check.ts";
import { connect, failure } from "./connect.ts";

const headBytesMax = 16_384; // what the router allows a head; a longer one is no health answer
const blankLine = /\r?\n\r?\n/;

/** Passes on an answer with one of the expected statuses. Its body is not read. */
export async function checkHttp(target: CheckTarget, config: HealthConfig, signal: AbortSignal): Promise<CheckResult> {
  const socket = await connect(target, config, signal);
  if ("passed" in socket) return socket;
  socket.write(requestOf(target, config));
  const head = await readHead(socket, config.timeoutMs, signal);
  socket.destroy();
  return typeof head === "string" ? judge(head, config) : head;
}

function requestOf(target: CheckTarget, config: HealthConfig): string {
  const host = config.host ?? formatSocketAddress(target.host, target.port);
  return `GET ${config.path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: watershed-health\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
}

/** The status line and headers of the final answer, or why there are none. */
function readHead(socket: Socket, timeoutMs: number, signal: AbortSignal): Promise<string | CheckResult> {
  return new Promise((resolve) => {
    let received = "";
    const late = () => resolve(failure("CHECK_TIMEOUT", `no whole answer in ${timeoutMs} ms`));
    if (signal.aborted) late();
    signal.addEventListener("abort", late, { once: true });
    socket.on("data", (chunk: Buffer) => {
      received = withoutInterim(received + chunk.toString("latin1"));
      const end = received.search(blankLine);
      if (end >= 0) resolve(received.slice(0, end));
      else if (received.length > headBytesMax) resolve(failure("CHECK_FAILED", `head over ${headBytesMax} bytes`));
    });
    socket.on("error", (error) => resolve(failure("CHECK_FAILED", error.message)));
    socket.on("close", () => resolve(failure("CHECK_FAILED", "closed before a whole answer")));
  });
}

/** Drops answers that only announce the final one (RFC 9110 §15.2). */
function withoutInterim(received: string): string {
  let rest = received;
  while (/^HTTP\/1\.\d 1(?!01)\d\d/.test(rest)) {
    const end = blankLine.exec(rest);
    if (!end) break;
    rest = rest.slice(end.index + end[0].length);
  }
  return rest;
}

function judge(head: string, config: HealthConfig): CheckResult {
  const status = Number(/^HTTP\/1\.\d (\d{3})(?:\s|$)/.exec(head)?.[1]);
  if (Number.isNaN(status)) return failure("CHECK_FAILED", "the answer is not HTTP/1");
  if (config.expectStatus.includes(status)) return { passed: true, reason: "OK", detail: `status ${status}` };
  if (config.drainingCounts && status === 503 && /^x-watershed-reason:[ \t]*DRAINING[ \t]*\r?$/im.test(head))
    return { ...failure("DRAINING", "it says that it is draining"), definitive: true };
  return failure("CHECK_STATUS", `status ${status}`);
}
