import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import { clientAddressOf } from "#shared/topology/topology.ts";
import { adminAddress } from "../name-servers.ts";
import type { NameServer } from "../name-servers.ts";
import { chooseStack } from "../stack/choose.ts";
import type { Stack, StackChoice } from "../stack/choose.ts";

export interface NodeChoice extends StackChoice {
  readonly service: "l7-router" | "l4-forwarder";
  /** As people call it: the name of its option, too. */
  readonly word: "router" | "forwarder";
  /** One of the stack; undefined: all. */
  readonly name: string | undefined;
  /** One of no stack, by its admin listener. */
  readonly admin: string | undefined;
}

export interface ChosenNodes {
  readonly nodes: readonly NameServer[];
  /** Undefined where one was named by its admin listener. */
  readonly stack: Stack | undefined;
}

/** The nodes of a tier that are to be asked.
 * @throws {UsageError} if there is none of that name, or the URL is none of an admin listener */
export async function chooseNodes({ service, word, name, admin, ...choice }: NodeChoice): Promise<ChosenNodes> {
  const { topology, scale, docker } = choice;
  if (admin !== undefined) {
    if ([name, topology, scale, docker].some((value) => value !== undefined))
      throw new UsageError(
        `--admin names a ${word} of no stack: leave out --${word}, --topology, --scale and --docker`,
      );
    const address = adminAddress(admin);
    return { nodes: [{ name: address, admin: address }], stack: undefined };
  }
  const stack = await chooseStack({ topology, scale, docker });
  const all = stack.nodes.filter((node) => node.service === service);
  const nodes = name === undefined ? all : all.filter((node) => node.name === name);
  if (nodes.length > 0) return { nodes, stack };
  const names = all.map((node) => node.name);
  throw new UsageError(`there is no ${word} "${name ?? ""}"${suggest(name ?? "", names)} (known: ${names.join(", ")})`);
}

/** The address of the client that is meant; the node checks it.
 * @throws {UsageError} for a country without a stack, or one without a test client */
export function clientOf(
  { from, client }: { readonly from?: string | undefined; readonly client?: string | undefined },
  stack: Stack | undefined,
): string {
  if (from === undefined) return client ?? "127.0.0.1";
  if (client !== undefined) throw new UsageError("give either --from or --client");
  if (!stack) throw new UsageError("--from needs a stack, which has test clients: give --client ADDRESS");
  return clientAddressOf(stack.topology, from, stack.runsIn === "containers" ? "containers" : "loopback").address;
}
