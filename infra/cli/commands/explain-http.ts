import type { Command } from "commander";
import { UsageError } from "#shared/core/error.ts";
import { askFirst } from "../explain/ask.ts";
import { httpText, httpToldSchema } from "../explain/http.ts";
import { chooseNodes, clientOf } from "../explain/nodes.ts";
import type { StackChoice } from "../stack/choose.ts";
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
  const { method = "GET", header = [], json, router: name, admin, topology, scale, docker } = options;
  const choice = { name, admin, topology, scale, docker };
  const { nodes, stack } = await chooseNodes({ service: "l7-router", word: "router", ...choice });
  const parameters = new URLSearchParams({ method, url, client: clientOf(options, stack) });
  for (const line of header) {
    const colon = line.indexOf(":");
    if (colon < 1) throw new UsageError(`--header: "${line}" is not "Name: value"`);
    parameters.append(`header.${line.slice(0, colon)}`, line.slice(colon + 1).trim());
  }
  if (options.body !== undefined) parameters.append("body", options.body);
  const { server, told } = await askFirst(nodes, `/explain?${parameters.toString()}`);
  const text = json
    ? `${JSON.stringify({ router: server.name, ...told }, null, 2)}\n`
    : httpText(httpToldSchema.parse(told), server.name, paintForStdout);
  process.stdout.write(text);
  return 0;
}
