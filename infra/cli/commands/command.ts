import path from "node:path";
import type { Command } from "commander";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { applyScale } from "#shared/topology/topology.ts";
import { projectDir, readRun, stateDir } from "../stack/state.ts";

/** Adds one command to the program; its action says the exit code. */
export type AddCommand = (program: Command, exitWith: (code: number) => void) => void;

export const defaultTopology = path.join(projectDir, "infra", "topology.yaml");

/** An example under the help of a command. */
export function example(command: Command, line: string): Command {
  return command.addHelpText("after", `\nExample: ${line}`);
}

/** Which stack a command is about. */
export interface StackChoice {
  readonly topology?: string | undefined;
  readonly scale?: string | undefined;
}

export interface Stack {
  readonly topology: Topology;
  readonly file: string;
  readonly scale: string | undefined;
}

/** The topology that the options name; without them that of the stack that is up; without one infra/topology.yaml.
 * @throws {UsageError} with every error of the file */
export function chooseStack(choice: StackChoice): Stack {
  const run = choice.topology === undefined ? readRun(stateDir()) : undefined;
  const file = path.resolve(choice.topology ?? run?.topology ?? defaultTopology);
  const scale = choice.scale ?? run?.scale ?? undefined;
  return { topology: applyScale(loadConfig(file, topologySchema), scale), file, scale };
}

/** As people write it: relative where that is shorter. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith("..") ? file : relative || ".";
}
