import path from "node:path";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { parseDurationMs } from "#shared/core/duration.ts";
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

/** Reads an option that may be there several times. */
export function collect(text: string, before: readonly string[]): string[] {
  return [...before, text];
}

/** Reads the time of an option, milliseconds. */
export function durationMs(text: string): number {
  const parsed = parseDurationMs(text);
  if (parsed === undefined || parsed <= 0) throw new InvalidArgumentError("expected a time such as 30s or 5m");
  return parsed;
}

/** Reads the whole number of an option. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = text === "" ? Number.NaN : Number(text);
    if (Number.isInteger(number) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`expected a whole number ${min}..${max}`);
  };
}
