import type { Socket } from "node:net";
import { TrafficError, codeOf, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { HealthConfig } from "#shared/config/schema/common.ts";
import { dial } from "#shared/net/dial.ts";
import { writeProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { CheckResult, CheckTarget } from "../check.ts";

/** Connects as every check does: from the node's own address, with a PROXY LOCAL header where the listener wants one.
 * @returns the socket, or the result if there is none */
export async function connect(
  target: CheckTarget,
  config: HealthConfig,
  signal: AbortSignal,
): Promise<Socket | CheckResult> {
  const { host, port, localAddress, proxyProtocol } = target;
  try {
    const socket = await dial({ host, port, localAddress, timeoutMs: config.timeoutMs, signal });
    if (proxyProtocol) socket.write(writeProxyHeader({ version: proxyProtocol, command: "LOCAL", tlvs: [] }));
    return socket;
  } catch (error) {
    const inconclusive = error instanceof TrafficError && error.origin === "internal";
    return { ...failure(connectReason(error, signal), messageOf(error)), ...(inconclusive && { inconclusive }) };
  }
}

function connectReason(error: unknown, signal: AbortSignal): Reason {
  if (signal.aborted) return "CHECK_TIMEOUT";
  if (!(error instanceof TrafficError)) return "CHECK_FAILED";
  if (error.reason === "CONNECT_TIMEOUT") return "CHECK_TIMEOUT";
  return codeOf(error.cause) === "ECONNREFUSED" ? "CHECK_REFUSED" : "CHECK_FAILED";
}

export function failure(reason: Reason, detail: string): CheckResult {
  return { passed: false, reason, detail };
}
