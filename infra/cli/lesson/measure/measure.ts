import type { Column } from "../../table.ts";

/** What a measurement is asked for on the command line. */
export interface MeasureOptions {
  readonly seed: number;
  /** --case: which of the cases that the measurement has. */
  readonly case: string | undefined;
  /** --speed: how many times faster than life. */
  readonly speed: number | undefined;
  /** --choices: a file with the choices of the learner. */
  readonly choices: string | undefined;
}

export interface Measured {
  /** What was measured, in one line each: the conditions. */
  readonly notes: readonly string[];
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  /** The same as a picture (SVG), where it has one. */
  readonly picture?: string;
  /** False if what the learner has chosen does not hold. */
  readonly good?: boolean;
}

/** One measurement on a fleet of its own: `./watershed lesson measure NAME`. */
export interface Measurement {
  readonly summary: string;
  /** Values of --case; the first is the default. */
  readonly cases: readonly string[];
  run(options: MeasureOptions): Promise<Measured>;
}

/** A column of numbers. */
export const number = (title: string): Column => ({ title, align: "right" });
