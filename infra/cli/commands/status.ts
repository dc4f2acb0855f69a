import { Option } from "commander";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { askNode } from "../status/ask.ts";
import type { NodeReport } from "../status/ask.ts";
import { statusText, watchText } from "../status/table.ts";
import { changeText, changesOf, statesOf } from "../status/watch.ts";
import { openScreen } from "../screen.ts";
import { listenForStop } from "../stack/stop.ts";
import { chooseStack } from "../stack/choose.ts";
import { nodesAsked, services } from "../stack/node-choice.ts";
import type { NodeChoice } from "../stack/node-choice.ts";
import type { StackChoice } from "../stack/choose.ts";
import { addStackOptions, example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const roundMs = 1_000;

interface StatusOptions extends StackChoice, NodeChoice {
  readonly json?: boolean;
  readonly problems?: boolean;
  readonly watch?: boolean;
}

export const addStatus: AddCommand = (program, exitWith) => {
  const command = program
    .command("status")
    .description("asks every node of the stack for the state of its pools and endpoints")
    .addOption(new Option("--tier <name>", "only the nodes of a tier").choices(Object.keys(services)))
    .option("--node <name>", "only this node")
    .addOption(new Option("--problems", "only rows of what is not up").conflicts("json"))
    .option("--watch", "goes on: a page on a terminal (q ends it), else a line for each change")
    .option("--json", "everything that the nodes say, as JSON; with --watch one line a second")
    .action(async (options: StatusOptions) => exitWith(await status(options)));
  example(addStackOptions(command), "status --problems");
};

/** @returns 1 if no node answers, else 0 */
async function status(options: StatusOptions): Promise<number> {
  const asked = nodesAsked((await chooseStack(options)).nodes, options);
  if (options.watch) return watch(asked, options);
  const nodes = await Promise.all(asked.map(askNode));
  const { problems = false } = options;
  const shown = options.json ? `${JSON.stringify({ nodes }, null, 2)}\n` : statusText(nodes, Date.now(), { problems });
  process.stdout.write(shown);
  return nodes.some((node) => node.status) ? 0 : 1;
}

/** Asks every second, until q or Ctrl-C.
 * @returns 1 if no node answered at last, else 0 */
async function watch(asked: readonly TopologyNode[], options: StatusOptions): Promise<number> {
  const { problems = false, json = false } = options;
  using stop = listenForStop(() => process.exit(1));
  let nodes: readonly NodeReport[] = [];
  const onPage = !json && process.stdout.isTTY;
  const draw = () => screen?.draw(watchText(nodes, Date.now(), { problems }));
  using screen = onPage ? openScreen(process.stdout, process.stdin, draw) : undefined;
  const ended = Promise.race([stop.asked, ...(screen ? [screen.quit] : [])]).then(() => true);
  let before: ReturnType<typeof statesOf> | undefined;
  do {
    nodes = await Promise.all(asked.map(askNode));
    if (screen) draw();
    else if (json) process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), nodes })}\n`);
    else before = printChanges(nodes, before, problems);
  } while (!(await Promise.race([ended, nextRound()])));
  return nodes.some((node) => node.status) ? 0 : 1;
}

/** The whole table first, then a line for each change. */
function printChanges(
  nodes: readonly NodeReport[],
  before: ReturnType<typeof statesOf> | undefined,
  problems: boolean,
): ReturnType<typeof statesOf> {
  const after = statesOf(nodes);
  if (!before) process.stdout.write(statusText(nodes, Date.now(), { problems }));
  const at = new Date().toISOString().slice(11, 19);
  for (const change of before ? changesOf(before, after) : []) process.stdout.write(`${at}  ${changeText(change)}\n`);
  return after;
}

function nextRound(): Promise<boolean> {
  return new Promise((resolve) => {
    setTimeout(resolve, roundMs, false);
  });
}
