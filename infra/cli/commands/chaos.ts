import type { Command } from "commander";
import { UsageError } from "#shared/core/error.ts";
import { Drill } from "../chaos/drill.ts";
import { lineJson, lineText } from "../chaos/lines.ts";
import { listTargets, listText, observeNodes } from "../chaos/list.ts";
import type { Power } from "../chaos/power.ts";
import { processPower } from "../chaos/processes.ts";
import { findTarget, fullName, targetsOf } from "../chaos/target.ts";
import type { Target } from "../chaos/target.ts";
import { checkVerb, verbs } from "../chaos/verbs.ts";
import type { Verb } from "../chaos/verbs.ts";
import { chooseStack } from "../stack/choose.ts";
import type { Stack } from "../stack/choose.ts";
import { stateDir } from "../stack/state.ts";
import { listenForStop } from "../stack/stop.ts";
import { durationMs, example } from "./command.ts";
import type { AddCommand } from "./command.ts";

interface ChaosOptions {
  readonly for?: number;
  readonly delay?: number;
  readonly all?: boolean;
  readonly docker?: boolean;
  readonly json?: boolean;
}

const descriptions: Readonly<Record<Verb, string>> = {
  kill: "ends it at once, without a word (SIGKILL); a server stops listening",
  stop: "tells it to drain and end (SIGTERM); a server stops listening",
  pause: "holds it: it accepts, and does not answer",
  drain: "has those above send it no new work",
  slow: "answers of its servers wait for --delay",
  cut: "cuts it off from its networks: packets are dropped",
  heal: "brings it back, whatever was done to it",
};

export const addChaos: AddCommand = (program, exitWith) => {
  const command = program
    .command("chaos")
    .description("breaks a part of the stack that is up, and tells who sees it when; heals it again");
  for (const verb of verbs) {
    const one = withCommon(command.command(verb).description(descriptions[verb])).argument(
      verb === "heal" ? "[target...]" : "<target...>",
      "such as: server eu-west-a/web-2",
    );
    if (verb === "heal") one.option("--all", "everything");
    else one.option("--for <time>", "heal it after this time, or at Ctrl-C", durationMs);
    if (verb === "slow") one.option("--delay <time>", "of each answer; default: 500ms", durationMs);
    one.action(async (words: string[], options: ChaosOptions) => exitWith(await runDrill(verb, words, options)));
  }
  withCommon(command.command("list").description("everything that can be broken, and how it is")).action(
    async (options: ChaosOptions) => exitWith(await list(options)),
  );
  example(command, "chaos kill server eu-west-a/web-2 --for 30s");
};

function withCommon(command: Command): Command {
  return command
    .option("--docker", "the stack in containers; default where it was brought up from here")
    .option("--json", "one JSON object a line");
}

const delayMsDefault = 500;

/** @returns 0 if everybody who should see it did in time, else 1 */
async function runDrill(verb: Verb, words: readonly string[], options: ChaosOptions): Promise<number> {
  const stack = await chooseStack(options);
  const target = chosenTarget(stack, words, options);
  checkVerb(verb, target.kind);
  const power = await powerOver(stack);
  using stop = listenForStop(() => process.exit(1));
  const drill = new Drill(stack, power, {
    verb,
    target,
    delayMs: options.delay ?? delayMsDefault,
    forMs: options.for,
    stop,
    write: (line) => {
      const text = options.json ? JSON.stringify(lineJson(line)) : lineText(line, stack.nodes);
      process.stdout.write(`${text}\n`);
    },
  });
  if (!options.json)
    process.stdout.write(`${verb} ${options.all ? "everything" : fullName(target)}, ${whereText(stack)}\n`);
  return (await drill.run()) ? 0 : 1;
}

function whereText({ runsIn }: Stack): string {
  return runsIn === "containers" ? "in containers" : "as local processes";
}

function chosenTarget({ nodes }: Stack, words: readonly string[], { all }: ChaosOptions): Target {
  const targets = targetsOf(nodes);
  if (!all) return findTarget(words, targets);
  if (words.length > 0) throw new UsageError("heal takes a target or --all, not both");
  const zones = targets.filter(({ kind }) => kind === "zone");
  return { kind: "region", name: "all", nodes, servers: zones.flatMap(({ servers }) => servers) };
}

async function powerOver(stack: Stack): Promise<Power> {
  if (stack.runsIn === "processes") return processPower(stateDir(), stack.nodes);
  if (stack.clientAddress !== undefined)
    throw new UsageError("a client has no power over the stack: run this on the host");
  const { containerPower } = await import("../docker/power.ts");
  return containerPower(stack.topology);
}

async function list(options: ChaosOptions): Promise<number> {
  const stack = await chooseStack(options);
  const [states, observed] = await Promise.all([(await powerOver(stack)).states(), observeNodes(stack.nodes)]);
  const listed = listTargets(targetsOf(stack.nodes), states, observed);
  const text = options.json ? listed.map((one) => `${JSON.stringify(one)}\n`).join("") : listText(listed);
  process.stdout.write(text);
  return 0;
}
