import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { PoolStatus } from "#shared/endpoint/status.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { getAdminJson, isRecord, postAdmin } from "../admin-client.ts";
import type { Power } from "./power.ts";
import type { Step } from "./steps.ts";
import type { View } from "./views.ts";
import { isOneOf } from "./views.ts";

const adminLimitMs = 2_000;

const notThere = "was not running";

/** Tells that something was done to a node. */
export type Tell = (node: TopologyNode, what: string) => void;

/** Does one step.
 * @throws {UsageError} or {TrafficError} if it cannot be done */
export async function perform(step: Step, power: Power, tell: Tell): Promise<void> {
  switch (step.do) {
    case "kill":
      return tell(step.node, (await power.kill(step.node)) ? "killed" : notThere);
    case "stop":
      tell(step.node, "told to stop");
      if (!(await power.stop(step.node))) tell(step.node, notThere);
      return;
    case "pause":
      return tell(step.node, (await power.pause(step.node)) ? "paused" : notThere);
    case "cut":
      return tell(step.node, await power.cut(step.node, step.networks));
    case "heal":
      for (const what of await power.heal(step.node, () => isLeaving(step.node))) tell(step.node, what);
      return;
    case "post":
      await post(step.node, step.path);
      return tell(step.node, step.what);
    case "heal servers":
      return healServers(step.origin, step.names, tell);
    case "drain":
    case "enable":
      return setEndpoints(step.do, step.view);
  }
}

/** Whether a node drains or stops by its own account; one that does not answer does not. */
async function isLeaving(node: TopologyNode): Promise<boolean> {
  try {
    const { state } = await getAdminJson(node.admin, "/status", adminLimitMs);
    return state === "draining" || state === "stopping";
  } catch {
    return false;
  }
}

async function healServers(origin: TopologyNode, names: readonly string[], tell: Tell): Promise<void> {
  const { servers } = await getAdminJson(origin.admin, "/servers", adminLimitMs);
  for (const server of Array.isArray(servers) ? servers.filter(isRecord) : []) {
    const name = String(server["name"]);
    if (!names.includes(name) || server["state"] === "running") continue;
    await post(origin, `/servers/${name}/heal`);
    tell(origin, `${name} healed`);
  }
}

/** Drains those endpoints of a view, or enables those of them that are drained, disabled, or down and perhaps held after
 * flapping. The node itself tells so. */
async function setEndpoints(action: "drain" | "enable", { watcher, addresses }: View): Promise<void> {
  let pools: readonly PoolStatus[];
  try {
    pools = await poolsOf(watcher);
  } catch (error) {
    if (action === "enable") return; // It is gone, and with it whatever it was told.
    throw error;
  }
  const set = action === "drain" ? ["up", "down", "ejected", "unknown"] : ["draining", "disabled", "down"];
  for (const pool of pools)
    for (const { address, state } of pool.endpoints)
      if (isOneOf(address, addresses) && set.includes(state))
        await post(watcher, `/pools/${pool.name}/endpoints/${encodeURIComponent(address)}/${action}`);
}

async function post(node: TopologyNode, path: string): Promise<void> {
  const reply = await postAdmin(node.admin, path, adminLimitMs).catch((error: unknown) => {
    throw new TrafficError("CONNECT_FAILED", `${node.name} does not answer: ${messageOf(error)}`, {
      origin: "upstream",
    });
  });
  if (reply.status !== 200)
    throw new TrafficError("UPSTREAM_INVALID", `${node.name}: ${reply.status} ${reply.text.trim().slice(0, 300)}`, {
      origin: "upstream",
    });
}

/** The pools of a node, as it sees them now.
 * @throws {TrafficError} if it does not answer */
export async function poolsOf(node: TopologyNode): Promise<readonly PoolStatus[]> {
  const { pools } = await getAdminJson(node.admin, "/status", adminLimitMs);
  return Array.isArray(pools) ? (pools as PoolStatus[]) : [];
}
