import { judge } from "./claim.ts";
import type { Claim, Printed, Verdict } from "./claim.ts";
import type { Lesson, Part, Purpose } from "./page.ts";

type Commands = Extract<Part, { kind: "commands" }>;

/** Who is told of each step. */
export interface Audience {
  prose(text: string): void;
  /** Before commands are run. */
  commands(script: string): void | Promise<void>;
  output(text: string): void;
  verdict(claim: Claim, verdict: Verdict): void;
}

/** @param purpose what the commands are for: those that clean up are run to their end */
export type RunScript = (script: string, onOutput: (text: string) => void, purpose: Purpose) => Promise<Printed>;

/** Runs the parts of a lesson that have one of these purposes, in their order, and judges what the page claims of them.
 * A block without a claim of its exit code has to end with 0. The `clean` blocks are run whatever happened before.
 * @param signal skips what is left but for those
 * @returns how many claims held and how many did not */
export async function performLesson(
  { parts }: Pick<Lesson, "parts">,
  purposes: readonly Purpose[],
  run: RunScript,
  audience: Audience,
  signal?: AbortSignal,
): Promise<{ readonly held: number; readonly failed: number }> {
  const counts = { held: 0, failed: 0 };
  const perform = async (part: Commands) => {
    await audience.commands(part.script);
    if (signal?.aborted && part.purpose !== "clean") return;
    const printed = await run(part.script, (text) => audience.output(text), part.purpose);
    if (signal?.aborted && part.purpose !== "clean") return;
    for (const claim of claimsOf(part)) {
      const verdict = judge(claim, printed);
      counts[verdict.holds ? "held" : "failed"]++;
      audience.verdict(claim, verdict);
    }
  };
  const todo = parts.filter((part) => part.kind === "prose" || purposes.includes(part.purpose));
  const cleaned = new Set<Part>();
  try {
    for (const part of todo) {
      if (signal?.aborted) break;
      if (part.kind === "prose") {
        audience.prose(part.text);
        continue;
      }
      if (part.purpose === "clean") cleaned.add(part);
      await perform(part);
    }
  } finally {
    for (const part of todo)
      if (part.kind === "commands" && part.purpose === "clean" && !cleaned.has(part)) await perform(part);
  }
  return counts;
}

const endsWell: Claim = { kind: "exit", text: "exit 0", code: 0 };

function claimsOf({ claims }: Commands): readonly Claim[] {
  return claims.some(({ kind }) => kind === "exit") ? claims : [endsWell, ...claims];
}
