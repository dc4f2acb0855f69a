import path from "node:path";
import { Argument } from "commander";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { applyScale, nodesOf } from "#shared/topology/topology.ts";
import { targetsOf } from "../chaos/target.ts";
import { complete } from "../completion/complete.ts";
import type { KnownValues } from "../completion/complete.ts";
import { completionScript, shells } from "../completion/scripts.ts";
import type { Shell } from "../completion/scripts.ts";
import { listLessons } from "../lesson/library.ts";
import { defaultTopology } from "../stack/choose.ts";
import { projectDir, readRun, stateDir } from "../stack/state.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

export const addCompletion: AddCommand = (program, exitWith) => {
  const command = program.command("completion").description("completion of words for bash and zsh");
  for (const shell of shells)
    command
      .command(shell)
      .description(`prints what ${shell} reads`)
      .action(() => exitWith(print(shell)));
  command
    .command("words", { hidden: true })
    .description("what may stand at the end of a command line; asked by the shell")
    .addArgument(new Argument("[words...]"))
    .allowUnknownOption()
    .passThroughOptions()
    .action((words: string[]) => {
      for (const word of complete(program, words, knownValues)) process.stdout.write(`${word}\n`);
      exitWith(0);
    });
  example(command, "completion bash >> ~/.bashrc");
};

function print(shell: Shell): number {
  process.stdout.write(completionScript(shell, path.join(projectDir, "watershed")));
  return 0;
}

/** Those of the stack that is up, else of infra/topology.yaml. */
function knownValues(): KnownValues {
  const run = readRun(stateDir());
  const topology = loadConfig(run?.topology ?? defaultTopology, topologySchema);
  const nodes = nodesOf(applyScale(topology, run?.scale ?? undefined));
  return {
    nodes,
    targets: targetsOf(nodes),
    countries: Object.keys(topology.testClients),
    scales: Object.keys(topology.scales),
    lessons: listLessons().map(({ name }) => name),
  };
}
