import { Command, CommanderError } from "commander";
import { ConfigError } from "#shared/config/load.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import manifest from "../../package.json" with { type: "json" };
import { addBench } from "./commands/bench.ts";
import { addChaos } from "./commands/chaos.ts";
import { addCheck } from "./commands/check.ts";
import { addCompletion } from "./commands/completion.ts";
import { addDns } from "./commands/dns.ts";
import { addDnssec } from "./commands/dnssec.ts";
import { addDown } from "./commands/down.ts";
import { addExplain } from "./commands/explain.ts";
import { addGeo } from "./commands/geo.ts";
import { addLesson } from "./commands/lesson.ts";
import { addLoad } from "./commands/load.ts";
import { addRun } from "./commands/run.ts";
import { addStatus } from "./commands/status.ts";
import { addTap } from "./commands/tap.ts";
import { addTrace } from "./commands/trace.ts";
import { addTraffic } from "./commands/traffic.ts";
import { addUp } from "./commands/up.ts";
import { StartError } from "./stack/ready.ts";

/** In the order of the help. */
const commands = [
  addUp,
  addDown,
  addStatus,
  addTap,
  addTrace,
  addExplain,
  addGeo,
  addDns,
  addDnssec,
  addLoad,
  addTraffic,
  addChaos,
  addLesson,
  addBench,
  addCheck,
  addRun,
  addCompletion,
];

/** Runs one command.
 * @param argv without the program's own name
 * @returns exit code: 0 done, 1 failed, 2 bad usage or config */
export async function main(argv: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command("watershed")
    .description("Runs the stack of GeoDNS, L7 routers and L4 forwarders, and shows what it decides.")
    .version(manifest.version)
    .enablePositionalOptions() // "run" hands over the options behind its service
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("(--help shows what there is)");
  for (const add of commands) add(program, (code) => (exitCode = code));
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // It has said so already.
  process.stderr.write(`${errorText(error)}\n`);
  if (error instanceof StartError) return error.exitCode;
  return error instanceof UsageError ? 2 : 1;
}

/** As commander tells its own. Problems of a file begin with their place in it, so that editors find it. */
function errorText(error: unknown): string {
  const text = messageOf(error);
  return error instanceof ConfigError ? text : text.replaceAll(/^(?=\S)/gm, "error: "); // Indented lines belong to one.
}

if (import.meta.main) {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {}); // Piped into head, say.
  process.exitCode = await main(process.argv.slice(2));
}
