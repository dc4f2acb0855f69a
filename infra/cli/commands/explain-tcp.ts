import type { Command } from "commander";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { askFirst } from "../explain/ask.ts";
import { chooseNodes, clientOf } from "../explain/nodes.ts";
import { tcpText, tcpToldSchema } from "../explain/tcp.ts";
import type { NameServer } from "../name-servers.ts";
import type { StackChoice } from "../stack/choose.ts";
import { paintForStdout } from "../table.ts";
import { addStackOptions, example } from "./command.ts";

interface Options extends StackChoice {
  readonly forwarder?: string;
  readonly admin?: string;
  readonly from?: string;
  readonly client?: string;
  readonly json?: boolean;
}

export function addExplainTcp(program: Command, exitWith: (code: number) => void): void {
  const command = program
    .command("tcp")
    .alias("udp")
    .description("which server a forwarder would give a new connection: mode, pool, candidates and the pick")
    .argument("[listener]", "its address:port, or the name of its pool; may be left out where there is only one")
    .option("--from <country>", "test client of a country (DE) of the stack")
    .option("--client <address>", "address of the client; default: 127.0.0.1")
    .option("--forwarder <name>", "only this forwarder of the stack, such as eu-west-a/l4-1")
    .option("--admin <url>", "a forwarder of no stack, by its admin listener: http://127.0.0.1:7080")
    .option("--json", "everything that the forwarder says, as JSON")
    .action(async (listener: string | undefined, options: Options) => exitWith(await explainTcp(listener, options)));
  example(addStackOptions(command), "explain tcp db --client 127.11.0.1");
}

/** @returns 0; that nobody would get the connection is an explanation too */
async function explainTcp(listener: string | undefined, options: Options): Promise<number> {
  const { json, forwarder: name, admin, topology, scale, docker } = options;
  const choice = { name, admin, topology, scale, docker };
  const { nodes, stack } = await chooseNodes({ service: "l4-forwarder", word: "forwarder", ...choice });
  const parameters = new URLSearchParams({ client: clientOf(options, stack) });
  if (listener !== undefined) parameters.set("listener", listener);
  const { server, told } = await askOwner(nodes, listener, `/explain?${parameters.toString()}`);
  const text = json
    ? `${JSON.stringify({ forwarder: server.name, ...told }, null, 2)}\n`
    : tcpText(tcpToldSchema.parse(told), server.name, paintForStdout);
  process.stdout.write(text);
  return 0;
}

/** A pool is known to every forwarder of a zone, an address to one: the others say that they have no such listener. */
async function askOwner(nodes: readonly NameServer[], listener: string | undefined, path: string) {
  if (!parseSocketAddress(listener ?? "")) return askFirst(nodes, path);
  let last: unknown;
  for (const node of nodes)
    try {
      return await askFirst([node], path);
    } catch (error) {
      if (last === undefined || !(error instanceof UsageError)) last = error; // Who did not answer may have it.
    }
  throw last;
}
