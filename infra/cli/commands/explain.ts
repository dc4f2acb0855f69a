import type { Command } from "commander";
import { parseAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { clientAddressOf } from "#shared/topology/topology.ts";
import { askFirst } from "../explain/ask.ts";
import { dnsText } from "../explain/dns.ts";
import { dnsToldSchema } from "../explain/schema.ts";
import { addServerOptions, chooseServers } from "../name-servers.ts";
import type { ServerChoice } from "../name-servers.ts";
import type { Stack } from "../stack/choose.ts";
import { paintForStdout } from "../table.ts";
import { addExplainHttp } from "./explain-http.ts";
import { addExplainTcp } from "./explain-tcp.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

/** What can be explained: each adds a command under `explain`. */
const explanations: readonly AddCommand[] = [addExplainDns, addExplainHttp, addExplainTcp];

export const addExplain: AddCommand = (program, exitWith) => {
  const command = program.command("explain").description("says what would be decided, and why, without doing it");
  for (const add of explanations) add(command, exitWith);
};

interface ExplainDnsOptions extends ServerChoice {
  readonly type?: string;
  readonly from?: string;
  readonly client?: string;
  readonly ecs?: string;
  readonly json?: boolean;
}

function addExplainDns(program: Command, exitWith: (code: number) => void): void {
  const command = program
    .command("dns")
    .description("how a name server would answer: place, rule, regions, health, addresses, TTL and scope")
    .argument("<name>", "a domain name, such as www.stream.test")
    .option("--type <type>", "record type; default: A")
    .option("--from <country>", "test client of a country (DE) of the stack")
    .option("--client <address>", "source address of the query")
    .option("--ecs <network>", "client subnet that a resolver would tell, such as 81.2.69.0/24")
    .option("--json", "everything that the name server says, as JSON")
    .action(async (name: string, options: ExplainDnsOptions) => exitWith(await explainDns(name, options)));
  example(addServerOptions(command), "explain dns www.stream.test --from DE");
}

/** @returns 0; that nothing is answered is an explanation too */
async function explainDns(name: string, options: ExplainDnsOptions): Promise<number> {
  const { type = "A", from, client, ecs, json, ...choice } = options;
  const { servers, stack } = await chooseServers(choice);
  const parameters = new URLSearchParams({ name, type, client: clientOf({ from, client, ecs }, stack) });
  if (ecs !== undefined) parameters.set("ecs", ecs);
  const { server, told } = await askFirst(servers, `/explain?${parameters.toString()}`);
  const text = json
    ? `${JSON.stringify({ server: server.name, ...told }, null, 2)}\n`
    : dnsText(dnsToldSchema.parse(told), server.name, paintForStdout);
  process.stdout.write(text);
  return 0;
}

const resolverAddress = "127.0.0.1"; // where only the client subnet matters

function clientOf(
  { from, client, ecs }: Readonly<Record<"from" | "client" | "ecs", string | undefined>>,
  stack: Stack | undefined,
): string {
  if (from !== undefined && client !== undefined) throw new UsageError("give either --from or --client");
  if (from !== undefined) {
    if (!stack) throw new UsageError("--from needs a stack, which has test clients: give --client ADDRESS");
    return clientAddressOf(stack.topology, from, stack.runsIn === "containers" ? "containers" : "loopback").address;
  }
  if (client !== undefined && !parseAddress(client)) throw new UsageError(`--client: "${client}" is not an IP address`);
  if (client === undefined && ecs === undefined)
    throw new UsageError("say who asks: --from COUNTRY, --client ADDRESS or --ecs NETWORK");
  return client ?? resolverAddress;
}
