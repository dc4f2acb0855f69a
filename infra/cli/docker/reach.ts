import type { Topology } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { publishedPorts } from "../../docker/ports.ts";
import { readTokenIn } from "./argv.ts";
import { docker, findContainers } from "./containers.ts";

/** The nodes in containers, with the ports of this host that lead to their admin API. The token that the stack made is
 * read out of a container, unless the environment has one.
 * @throws {UsageError} if there is no docker command */
export async function reachFromHost(topology: Topology): Promise<TopologyNode[]> {
  if (!process.env["WATERSHED_ADMIN_TOKEN"]) {
    const running = (await findContainers()).find(({ node, state }) => node !== null && state === "running");
    // In the environment: that is where every request to an admin API looks for it.
    if (running) process.env["WATERSHED_ADMIN_TOKEN"] = (await docker(readTokenIn(running.id))).trim();
  }
  const ports = publishedPorts(topology);
  return nodesOf(topology, "containers").map((node) => {
    const admin = ports.get(node.name)?.find(({ what }) => what === "admin");
    return admin ? { ...node, admin: `127.0.0.1:${admin.port}` } : node;
  });
}
