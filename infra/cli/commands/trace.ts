import { chooseStack, example } from "./command.ts";
import type { AddCommand, StackChoice } from "./command.ts";
import { detailText } from "../trace/details.ts";
import { traceJson } from "../trace/json.ts";
import { parseHeader, parseMethod } from "../trace/request.ts";
import { traceRequest } from "../trace/trace.ts";
import { wayLines } from "../trace/way.ts";

interface TraceOptions extends StackChoice {
  readonly from: string;
  readonly method?: string;
  readonly header: readonly string[];
  readonly data?: string;
  readonly json?: boolean;
}

export const addTrace: AddCommand = (program, exitWith) => {
  const command = program
    .command("trace")
    .description("sends one request through the stack as a client would, and shows what every tier decided about it")
    .argument("<url>", "a path such as /api/users, or a whole http URL")
    .requiredOption("--from <client>", "country of the client (DE), or its address")
    .option("--method <method>", "default: GET; POST with --data")
    .option("--header <line>", '"Name: value"; may be given several times', collect, [])
    .option("--data <text>", "body of the request")
    .option("--topology <file>", "default: that of the stack that is up")
    .option("--scale <name>", "scale of the topology")
    .option("--json", "everything, as one JSON object")
    .action(async (url: string, options: TraceOptions) => exitWith(await runTrace(url, options)));
  example(command, "./watershed trace --from DE /api/users");
};

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** @returns 0 if an answer came, whatever its status; else 1 */
async function runTrace(url: string, options: TraceOptions): Promise<number> {
  const trace = await traceRequest(chooseStack(options).topology, {
    from: options.from,
    url,
    method: parseMethod(options.method ?? (options.data === undefined ? "GET" : "POST")),
    headers: options.header.map(parseHeader),
    body: options.data === undefined ? undefined : Buffer.from(options.data),
  });
  if (options.json) process.stdout.write(`${JSON.stringify(traceJson(trace), null, 2)}\n`);
  else process.stdout.write(`${wayLines(trace).join("\n")}\n\n${detailText(trace)}`);
  return trace.answer ? 0 : 1;
}
