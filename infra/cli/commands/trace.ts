import { Option } from "commander";
import type { Command } from "commander";
import { chooseStack } from "../stack/choose.ts";
import type { Stack, StackChoice } from "../stack/choose.ts";
import { addStackOptions, example } from "./command.ts";
import type { AddCommand } from "./command.ts";
import { detailText } from "../trace/details.ts";
import { traceJson } from "../trace/json.ts";
import { targetOf } from "#shared/traffic/client.ts";
import { parseHeader, parseMethod } from "../trace/request.ts";
import { traceRequest } from "../trace/trace.ts";
import { wayLines } from "../trace/way.ts";

interface TraceOptions extends StackChoice {
  readonly from: string;
  readonly method?: string;
  readonly header: readonly string[];
  readonly data?: string;
  readonly body?: boolean;
  readonly json?: boolean;
}

type GivenOptions = Omit<TraceOptions, "from"> & { readonly from?: string };

export const addTrace: AddCommand = (program, exitWith) => {
  const command = program
    .command("trace")
    .description("sends one request through the stack as a client would, and shows what every tier decided about it")
    .argument("<url>", "a path such as /api/users, or a whole http URL")
    .option("--from <client>", "country of the client (DE), or its address; must be given")
    .option("--method <method>", "default: GET; POST with --data")
    .option("--header <line>", '"Name: value"; may be given several times', collect, [])
    .option("--data <text>", "body of the request")
    .addOption(new Option("--body", "the whole body of the answer, not its beginning alone").conflicts("json"))
    .option("--json", "everything, as one JSON object")
    .action(async (url: string, { from, ...options }: GivenOptions, self: Command) => {
      // Not as a required option: that is looked at before unknown ones, and --form is best told as unknown.
      if (from === undefined) self.error("error: required option '--from <client>' not specified");
      else exitWith(await runTrace(url, { ...options, from }));
    });
  example(addStackOptions(command), "trace --from DE /api/users");
};

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** @returns 0 if an answer came, whatever its status; else 1 */
async function runTrace(url: string, options: TraceOptions): Promise<number> {
  const stack = await chooseStack(options);
  const request = {
    from: options.from,
    url,
    method: parseMethod(options.method ?? (options.data === undefined ? "GET" : "POST")),
    headers: options.header.map(parseHeader),
    body: options.data === undefined ? undefined : Buffer.from(options.data),
    wholeBody: options.body,
  };
  if (stack.runsIn === "containers" && stack.clientAddress === undefined) return traceElsewhere(stack, url, options);
  const trace = await traceRequest(stack, request);
  if (options.json) process.stdout.write(`${JSON.stringify(traceJson(trace), null, 2)}\n`);
  else process.stdout.write(`${wayLines(trace).join("\n")}\n\n${detailText(trace, options)}`);
  return trace.answer ? 0 : 1;
}

/** Hands the trace over to the container of its client. */
async function traceElsewhere(stack: Stack, url: string, options: TraceOptions): Promise<number> {
  targetOf(stack.topology, url); // Here, where an error is still ours to tell.
  const { traceFromClient } = await import("../docker/trace.ts");
  const { method, header, data } = options;
  const args = ["--from", options.from];
  if (method !== undefined) args.push("--method", method);
  for (const line of header) args.push("--header", line);
  if (data !== undefined) args.push("--data", data);
  if (options.body) args.push("--body");
  if (options.json) args.push("--json");
  return traceFromClient(stack.topology, options.from, [...args, "--", url]);
}
