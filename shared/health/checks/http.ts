import type { Socket } from "node:net";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import type { HealthConfig } from "#shared/config/schema/common.ts";
import type { CheckResult, CheckTarget } from "../check.ts";
import { connect, failure } from "./connect.ts";
import { findInBody } from "./http-body.ts";

const headBytesMax = 16_384; // what the router allows a head; a longer one is no health answer
const blankLine = /\r?\n\r?\n/;

/** Passes on an answer with one of the expected statuses, and with the expected text in its body if there is one. Without
 * it the body is not read. */
export async function checkHttp(target: CheckTarget, config: HealthConfig, signal: AbortSignal): Promise<CheckResult> {
  const socket = await connect(target, config, signal);
  if ("passed" in socket) return socket;
  socket.write(requestOf(target, config));
  const result = await readAnswer(socket, config, signal);
  socket.destroy();
  return result;
}

function requestOf(target: CheckTarget, config: HealthConfig): string {
  const host = config.host ?? formatSocketAddress(target.host, target.port);
  return `GET ${config.path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: watershed-health\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
}

/** Reads the final answer as far as it is needed, and judges it. */
function readAnswer(socket: Socket, config: HealthConfig, signal: AbortSignal): Promise<CheckResult> {
  return new Promise((resolve) => {
    let received = "";
    let isEnded = false;
    const late = () => resolve(failure("CHECK_TIMEOUT", `no whole answer in ${config.timeoutMs} ms`));
    if (signal.aborted) late();
    signal.addEventListener("abort", late, { once: true });
    const look = () => {
      const result = judgeSoFar(received, isEnded, config);
      if (result) resolve(result);
    };
    socket.on("data", (chunk: Buffer) => {
      received = withoutInterim(received + chunk.toString("latin1"));
      look();
    });
    socket.on("end", () => {
      isEnded = true;
      look();
    });
    socket.on("error", (error) => resolve(failure("CHECK_FAILED", error.message)));
    socket.on("close", () => resolve(failure("CHECK_FAILED", "closed before a whole answer")));
  });
}

/** The result, or undefined while more of the answer is needed. */
function judgeSoFar(received: string, isEnded: boolean, config: HealthConfig): CheckResult | undefined {
  const end = blankLine.exec(received);
  if (!end)
    return received.length > headBytesMax ? failure("CHECK_FAILED", `head over ${headBytesMax} bytes`) : undefined;
  const head = received.slice(0, end.index);
  const byHead = judge(head, config);
  if (!byHead.passed || config.expectBody === undefined) return byHead;
  const found = findInBody({ head, received: received.slice(end.index + end[0].length), isEnded }, config.expectBody);
  if (found === undefined) return undefined;
  return found ? byHead : failure("CHECK_FAILED", `${byHead.detail}, but the expected text is not in the body`);
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
