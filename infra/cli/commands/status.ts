import { Option } from "commander";
import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import type { ServiceName, TopologyNode } from "#shared/topology/topology.ts";
import { askNode } from "../status/ask.ts";
import { statusText } from "../status/table.ts";
import { chooseStack } from "../stack/choose.ts";
import type { StackChoice } from "../stack/choose.ts";
import { addStackOptions, example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const services = {
  dns: "geodns",
  l7: "l7-router",
  l4: "l4-forwarder",
  origin: "origin",
} as const satisfies Record<string, ServiceName>;

interface StatusOptions extends StackChoice {
  readonly json?: boolean;
  readonly tier?: keyof typeof services;
  readonly node?: string;
  readonly problems?: boolean;
}

export const addStatus: AddCommand = (program, exitWith) => {
  const command = program
    .command("status")
    .description("asks every node of the stack for the state of its pools and endpoints")
    .addOption(new Option("--tier <name>", "only the nodes of a tier").choices(Object.keys(services)))
    .option("--node <name>", "only this node")
    .addOption(new Option("--problems", "only rows of what is not up").conflicts("json"))
    .option("--json", "everything that the nodes say, as JSON")
    .action(async (options: StatusOptions) => exitWith(await status(options)));
  example(addStackOptions(command), "status --problems");
};

/** @returns 1 if no node answers, else 0 */
async function status(options: StatusOptions): Promise<number> {
  const asked = nodesAsked((await chooseStack(options)).nodes, options);
  const nodes = await Promise.all(asked.map(askNode));
  const { problems = false } = options;
  const shown = options.json ? `${JSON.stringify({ nodes }, null, 2)}\n` : statusText(nodes, Date.now(), { problems });
  process.stdout.write(shown);
  return nodes.some((node) => node.status) ? 0 : 1;
}

/** @throws {UsageError} if there is no such node, or it is of another tier */
function nodesAsked(nodes: readonly TopologyNode[], { tier, node }: StatusOptions): readonly TopologyNode[] {
  const ofTier = tier === undefined ? nodes : nodes.filter(({ service }) => service === services[tier]);
  if (node === undefined) return ofTier;
  const found = ofTier.filter(({ name }) => name === node);
  if (found.length > 0) return found;
  const names = ofTier.map(({ name }) => name);
  throw new UsageError(`there is no node "${node}"${tier ? ` in the tier ${tier}` : ""}${suggest(node, names)}`);
}
