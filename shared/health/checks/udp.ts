import dgram from "node:dgram";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import { codeOf, messageOf } from "#shared/core/error.ts";
import type { HealthConfig } from "#shared/config/schema/common.ts";
import type { CheckResult, CheckTarget } from "../check.ts";
import { failure } from "./connect.ts";

/** Passes on an answer to one datagram, if it contains what is expected. A server that takes datagrams and answers none cannot
 * be told from a dead one: it needs another check. */
export function checkUdp(target: CheckTarget, config: HealthConfig, signal: AbortSignal): Promise<CheckResult> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(late(config));
    const socket = dgram.createSocket(target.host.includes(":") ? "udp6" : "udp4");
    const settle = (result: CheckResult) => {
      signal.removeEventListener("abort", onAbort);
      socket.removeAllListeners().on("error", () => {});
      socket.close();
      resolve(result);
    };
    const onAbort = () => settle(late(config));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("error", (error) => settle(failed(error, target)));
    // Connected, so that only the server is heard, and a closed port is told.
    socket.on("connect", () => socket.send(bytesOf(config.send)));
    socket.on("message", (answer) => settle(judge(answer, config)));
    socket.bind({ port: 0, ...(target.localAddress !== undefined && { address: target.localAddress }) }, () => {
      socket.connect(target.port, target.host);
    });
  });
}

function judge(answer: Buffer, { expect = "" }: HealthConfig): CheckResult {
  if (answer.includes(bytesOf(expect))) return { passed: true, reason: "OK", detail: `${answer.length} bytes` };
  return failure("CHECK_STATUS", `an answer of ${answer.length} bytes without what is expected`);
}

function failed(error: Error, { host, port }: CheckTarget): CheckResult {
  const address = formatSocketAddress(host, port);
  if (codeOf(error) === "ECONNREFUSED") return failure("CHECK_REFUSED", `nobody listens on ${address} (udp)`);
  const result = failure("CHECK_FAILED", `${address} (udp): ${messageOf(error)}`);
  // Every other error comes from this machine: no descriptor, no such source address.
  return { ...result, inconclusive: true };
}

function late({ timeoutMs }: HealthConfig): CheckResult {
  return failure("CHECK_TIMEOUT", `no answer in ${timeoutMs} ms`);
}

/** Of a text as it stands, or of hex behind 0x. */
function bytesOf(text: string): Buffer {
  return /^0x(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text.slice(2), "hex") : Buffer.from(text);
}
