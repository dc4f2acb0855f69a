import path from "node:path";
import type { Command } from "commander";
import { commandName } from "../command-name.ts";

/** Adds one command to the program; its action says the exit code. */
export type AddCommand = (program: Command, exitWith: (code: number) => void) => void;

/** An example under the help of a command.
 * @param line what stands behind the name of the program */
export function example(command: Command, line: string): Command {
  return command.addHelpText("after", `\nExample: ${commandName()} ${line}`);
}

/** The options that say which stack a command is about. */
export function addStackOptions(command: Command): Command {
  return command
    .option("--topology <file>", "default: that of the stack that is up")
    .option("--scale <name>", "scale of the topology")
    .option("--docker", "the stack in containers; default where it was brought up from here");
}

/** As people write it: relative where that is shorter. */
export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative.startsWith("..") ? file : relative || ".";
}
