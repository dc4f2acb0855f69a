import type { Command, Option } from "commander";

/** Values that are known only where a stack is, by what they are of. */
export interface KnownValues {
  /** "server eu-west-a/api-1" in two words */
  readonly targets: readonly { readonly kind: string; readonly name: string }[];
  readonly nodes: readonly { readonly name: string; readonly service: string }[];
  readonly countries: readonly string[];
  readonly scales: readonly string[];
  readonly lessons: readonly string[];
}

/** What may stand at the end of a command line.
 * @param words those behind the program's name; the last one is begun, perhaps empty
 * @param known asked only where it is needed
 * @returns words that begin so; none: the shell offers files */
export function complete(program: Command, words: readonly string[], known: () => KnownValues): string[] {
  const begun = words.at(-1) ?? "";
  let command = program;
  const operands: string[] = [];
  let pending: Option | undefined; // its value comes next
  for (const word of words.slice(0, -1)) {
    if (pending) {
      pending = undefined;
    } else if (word.startsWith("-")) {
      const option = command.options.find((one) => one.long === word || one.short === word);
      if (option && takesValue(option)) pending = option;
    } else {
      const next = operands.length === 0 ? command.commands.find((one) => one.name() === word) : undefined;
      if (next) command = next;
      else operands.push(word);
    }
  }
  const all = pending
    ? valuesOf(pending, known)
    : begun.startsWith("-")
      ? [...command.options.flatMap(({ long }) => (long === undefined ? [] : [long])), "--help"]
      : [...(operands.length === 0 ? visible(command) : []), ...operandsOf(command, operands, known)];
  return [...new Set(all)].filter((word) => word.startsWith(begun)).sort();
}

/** Its subcommands, but those that only programs use. */
function visible(command: Command): string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((one) => one.name())
    .filter((name) => name !== "help");
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

const servicesOf: Readonly<Record<string, string>> = {
  "--router": "l7-router",
  "--forwarder": "l4-forwarder",
  "--server": "geodns",
};

function valuesOf(option: Option, known: () => KnownValues): readonly string[] {
  if (option.argChoices) return option.argChoices;
  const long = option.long ?? "";
  if (long === "--from" || long === "--country") return known().countries;
  if (long === "--scale") return known().scales;
  if (long === "--node") return known().nodes.map(({ name }) => name);
  const service = servicesOf[long];
  if (service === undefined) return [];
  return known()
    .nodes.filter((node) => node.service === service)
    .map(({ name }) => name);
}

const recordTypes = ["A", "AAAA", "CNAME", "HTTPS", "MX", "NS", "SOA", "TXT"];

/** What stands behind a command, by its argument. */
function operandsOf(command: Command, before: readonly string[], known: () => KnownValues): readonly string[] {
  const argument = command.registeredArguments[Math.min(before.length, command.registeredArguments.length - 1)];
  if (!argument) return [];
  if (argument.argChoices) return argument.argChoices;
  const parent = command.parent?.name();
  if (parent === "chaos") return targetWords(before, known());
  if (parent === "lesson") return known().lessons;
  if (parent === "explain" && command.name() === "dns" && before.length > 0) return recordTypes;
  if (argument.name() === "service") return ["geodns", "l7-router", "l4-forwarder", "origin", "console"];
  return [];
}

/** A kind, then the names of that kind. */
function targetWords([kind]: readonly string[], { targets }: KnownValues): readonly string[] {
  if (kind === undefined) return targets.map((target) => target.kind);
  return targets.filter((target) => target.kind === kind).map(({ name }) => name);
}
