import { steeredAnswer } from "../decide.ts";
import type { SignedAnswer } from "../dnssec/signed-answer.ts";
import type { Choice, ServiceAnswers, Turns } from "../steer/service-answers.ts";
import { compileBody } from "../wire/body.ts";
import type { Body } from "../wire/body.ts";
import { bindingSet } from "../zone/binding.ts";
import type { SteeredName } from "./zones.ts";

/** The answers of one choice, one for each order of its addresses. */
export interface ChoiceBodies {
  readonly choice: Choice;
  readonly turns: Turns;
  readonly bodies: readonly Body[];
}

/** The answers of one steered name and type. */
export interface SteeredBodies {
  readonly answers: ServiceAnswers;
  /** By the index of the choice. */
  readonly byChoice: readonly ChoiceBodies[];
  /** For who sets DO: by the index of the choice, then by turn. Made soon after the others, or when one is first asked
   * for. */
  readonly signed: (SignedAnswer | undefined)[][];
}

/** Encodes every answer that a steered name can get, in the order of `names`. What has not changed is taken over. */
export function compileSteered(
  names: readonly SteeredName[],
  services: ReadonlyMap<string, ServiceAnswers>,
  former: readonly SteeredBodies[] = [],
): readonly SteeredBodies[] {
  const shared = new Map<string, readonly ChoiceBodies[]>();
  return names.map((name, i) => {
    const answers = services.get(name.service);
    if (!answers) throw new Error(`service ${name.service} was validated with the config`);
    const before = former[i];
    if (before?.answers === answers) return before;
    const key = keyOfShared(name);
    const known = key === undefined ? undefined : shared.get(key);
    const byChoice = known ?? answers.choices.map((choice) => compileChoice(name, choice));
    if (key !== undefined) shared.set(key, byChoice);
    return { answers, byChoice, signed: answers.choices.map(() => []) };
  });
}

/** Names that are no aliases have the same answers: their owner is a pointer to the question.
 * Undefined if the answer depends on the name. */
function keyOfShared({ type, service, resolution }: SteeredName): string | undefined {
  if (resolution.answers.length > 0) return undefined;
  const binding = resolution.steered?.bindings.get(type);
  const record = binding ? `${String(binding.hints)} ${bindingSet(type, binding, 0, []).texts.join()}` : "";
  return [service, type, record, resolution.steered?.ttl ?? "", resolution.zone?.apex ?? ""].join("\n");
}

function compileChoice(name: SteeredName, choice: Choice): ChoiceBodies {
  const { question, type, resolution, nodata } = name;
  const turns = choice.turnsOf(type);
  const bodies = turns.orders.map((addresses) => {
    // Its pointers fit every name of the dnsZone, also where the answer is shared.
    if (addresses.length === 0 && resolution.answers.length === 0) return nodata;
    return compileBody(question, steeredAnswer(type, resolution, choice.ttl(resolution.steered?.ttl), addresses));
  });
  return { choice, turns, bodies };
}
