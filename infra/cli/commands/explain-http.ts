import type { Command } from "commander";
import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import { clientAddressOf } from "#shared/topology/topology.ts";
import { askFirst } from "../explain/ask.ts";
import { httpText, httpToldSchema } from "../explain/http.ts";
import { adminAddress } from "../name-servers.ts";
import type { NameServer } from "../name-servers.ts";
import { chooseStack } from "../stack/choose.ts";
import type { Stack, StackChoice } from "../stack/choose.ts";
import { paintForStdout } from "../table.ts";
import { addStackOptions, example } from "./command.ts";

interface Options extends StackChoice {
  readonly router?: string;
  readonly admin?: string;
  readonly method?: string;
  readonly from?: string;
  readonly client?: string;
  readonly header?: readonly string[];
  readonly body?: string;
  readonly json?: boolean;
}

export function addExplainHttp(program: Command, exitWith: (code: number) => void): void {
  const command = program
    .command("http")
    .description("how a router would treat a request: routes tried, policies, pool, candidates and the pick")
    .argument("<url>", "a path, or a URL with a host")
    .option("--method <method>", "default: GET")
    .option("--header <line...>", 'as "Name: value"; several may follow')
    .option("--body <text>", "for routes that ask for a field of it; say its type with --header")
    .option("--from <country>", "test client of a country (DE) of the stack")
    .option("--client <address>", "address of the client; default: 127.0.0.1")
    .option("--router <name>", "only this router of the stack, such as eu-west/l7-1")
    .option("--admin <url>", "a router of no stack, by its admin listener: http://127.0.0.1:8081")
    .option("--json", "everything that the router says, as JSON")
    .action(async (url: string, options: Options) => exitWith(await explainHttp(url, options)));
  example(addStackOptions(command), "explain http http://www.stream.test/api/users --from DE");
}

/** @returns 0; that a request is refused is an explanation too */
async function explainHttp(url: string, options: Options): Promise<number> {
  const { method = "GET", header = [], json } = options;
  const { routers, stack } = await chooseRouters(options);
  const parameters = new URLSearchParams({ method, url, client: clientOf(options, stack) });
  for (const line of header) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new UsageError(`--header: "${line}" is not "Name: value"`);
    parameters.append(`header.${line.slice(0, colon)}`, line.slice(colon + 1).trim());
  }
  if (options.body !== undefined) parameters.append("body", options.body);
  const { server, told } = await askFirst(routers, `/explain?${parameters.toString()}`);
  const text = json
    ? `${JSON.stringify({ router: server.name, ...told }, null, 2)}\n`
    : httpText(httpToldSchema.parse(told), server.name, paintForStdout);
  process.stdout.write(text);
  return 0;
}

async function chooseRouters({ router, admin, topology, scale, docker }: Options): Promise<{
  readonly routers: readonly NameServer[];
  readonly stack: Stack | undefined;
}> {
  if (admin !== undefined) {
    if ([router, topology, scale, docker].some((value) => value !== undefined))
      throw new UsageError("--admin names a router of no stack: leave out --router, --topology, --scale and --docker");
    const address = adminAddress(admin);
    return { routers: [{ name: address, admin: address }], stack: undefined };
  }
  const stack = await chooseStack({ topology, scale, docker });
  const all = stack.nodes.filter(({ service }) => service === "l7-router");
  const routers = router === undefined ? all : all.filter(({ name }) => name === router);
  if (routers.length > 0) return { routers, stack };
  const names = all.map(({ name }) => name);
  throw new UsageError(
    `there is no router "${router ?? ""}"${suggest(router ?? "", names)} (known: ${names.join(", ")})`,
  );
}

function clientOf({ from, client }: Options, stack: Stack | undefined): string {
  if (from === undefined) return client ?? "127.0.0.1"; // checked by the router
  if (client !== undefined) throw new UsageError("give either --from or --client");
  if (!stack) throw new UsageError("--from needs a stack, which has test clients: give --client ADDRESS");
  return clientAddressOf(stack.topology, from, stack.runsIn === "containers" ? "containers" : "loopback").address;
}
