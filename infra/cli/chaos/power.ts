import type { TopologyNode } from "#shared/topology/topology.ts";

/** How a node is now: `gone` ended, `paused` held, `cut` out of a network, `running` whatever it says of itself. */
export type NodeState = "running" | "paused" | "gone" | "cut";

/** What can be done to the processes of a stack, wherever they run. */
export interface Power {
  /** This and the next two: false if there is none that could be. */
  kill(node: TopologyNode): Promise<boolean>;
  /** Tells it to drain and end; may resolve before it has. */
  stop(node: TopologyNode): Promise<boolean>;
  pause(node: TopologyNode): Promise<boolean>;
  /** Cuts it off from networks (keys in docker-compose.yml).
   * @returns what was done, and in which way */
  cut(node: TopologyNode, networks: readonly string[]): Promise<string>;
  /** Brings it back from whatever was done to it.
   * @param isLeaving whether it says of itself that it drains: then it is started anew
   * @returns what was done, each in a few words */
  heal(node: TopologyNode, isLeaving: () => Promise<boolean>): Promise<string[]>;
  states(): Promise<ReadonlyMap<string, NodeState>>;
}
