// One topology → the nodes of the stack and the config of each. Pure: the file is read by shared/config.
export { clientAddressOf } from "./clients.ts";
export { configOf } from "./config.ts";
export type { PlainConfig } from "./config.ts";
export { nodesOf } from "./nodes.ts";
export type { ServiceName, TopologyListen, TopologyNode } from "./nodes.ts";
export { planNames } from "./plan.ts";
export type { PlanName } from "./plan.ts";
export { applyScale } from "./scale.ts";
