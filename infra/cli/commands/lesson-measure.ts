import fs from "node:fs";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Measured, Measurement } from "../lesson/measure/measure.ts";
import { measurements } from "../lesson/measure/registry.ts";
import { paintForStdout, renderTable } from "../table.ts";
import { example } from "./command.ts";

interface Options {
  readonly seed: number;
  readonly case?: string;
  readonly speed?: number;
  readonly choices?: string;
  readonly picture?: string;
  readonly json?: boolean;
}

const seedDefault = 7;

export function addLessonMeasure(program: Command, exitWith: (code: number) => void): void {
  const all: Readonly<Record<string, Measurement>> = measurements;
  const command = program
    .command("measure")
    .description("one measurement of a lesson, on a small fleet of real processes that is started for it")
    .argument("<name>", Object.keys(all).join(", "))
    .option("--seed <number>", "of arrivals and sizes; the same seed gives the same requests", wholeNumber, seedDefault)
    .option("--case <name>", "which case, where a measurement has several")
    .option("--speed <times>", "how many times faster than life, where a measurement has a time line", positive)
    .option("--choices <file>", "lines such as A=round-robin, to be judged by what is measured")
    .option("--picture <file>", "writes the picture too (SVG), where there is one")
    .option("--json", "as JSON")
    .action(async (name: string, options: Options) => {
      const measurement = all[name];
      const names = Object.keys(all);
      if (!measurement)
        throw new UsageError(`there is no measurement "${name}"${suggest(name, names)} (known: ${names.join(", ")})`);
      exitWith(await measure(measurement, options));
    });
  example(command, "lesson measure queues");
  const details = Object.entries(all).map(([name, { summary, cases }]) => {
    return `  ${name.padEnd(12)} ${summary}${cases.length > 0 ? `; --case ${cases.join(", ")}` : ""}\n`;
  });
  command.addHelpText("after", `\nMeasurements:\n${details.join("")}`);
}

/** @returns 0, or 1 if a choice of the learner does not hold */
async function measure(measurement: Measurement, options: Options): Promise<number> {
  const { cases } = measurement;
  const chosen = options.case ?? cases[0];
  if (options.case !== undefined && !cases.includes(options.case))
    throw new UsageError(`there is no case "${options.case}" (known: ${cases.join(", ") || "none"})`);
  const { seed, speed, choices } = options;
  const measured = await measurement.run({ seed, speed, choices, case: chosen });
  if (options.picture !== undefined) {
    if (measured.picture === undefined) throw new UsageError("this measurement has no picture");
    fs.writeFileSync(options.picture, measured.picture);
  }
  process.stdout.write(options.json ? jsonOf(measured) : textOf(measured));
  return measured.good === false ? 1 : 0;
}

function textOf({ notes, columns, rows }: Measured): string {
  return `${notes.map((note) => `${note}\n`).join("")}\n${renderTable(columns, rows, paintForStdout)}`;
}

function jsonOf({ notes, columns, rows }: Measured): string {
  const named = rows.map((row) => Object.fromEntries(columns.map(({ title }, i) => [title, row[i]])));
  return `${JSON.stringify({ notes, rows: named }, null, 2)}\n`;
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 0) return number;
  throw new InvalidArgumentError("expected a whole number");
}

function positive(text: string): number {
  const number = Number(text);
  if (number > 0 && number <= 1_000) return number;
  throw new InvalidArgumentError("expected a number above 0, up to 1000");
}
