import type { HealthConfig } from "#shared/config/schema/common.ts";
import type { CheckResult, CheckTarget } from "../check.ts";
import { connect } from "./connect.ts";

/** Passes on a connect. A server that hangs passes too: its kernel accepts for it. */
export async function checkTcp(target: CheckTarget, config: HealthConfig, signal: AbortSignal): Promise<CheckResult> {
  const connection = await connect(target, config, signal);
  if ("passed" in connection) return connection;
  connection.destroy();
  return { passed: true, reason: "OK", detail: "connected" };
}
