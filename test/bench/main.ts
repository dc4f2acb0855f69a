import { Command, Option } from "commander";
import { messageOf } from "#shared/core/error.ts";
import { benchDns } from "./dns/bench.ts";
import { benchHttp } from "./http/bench.ts";
import { coreCount } from "./programs.ts";
import { benchTcp } from "./tcp/bench.ts";
import type { Subject } from "./subject.ts";

/** One file a subject. */
const subjects = { dns: benchDns, http: benchHttp, tcp: benchTcp } as const satisfies Record<string, Subject>;

const command = new Command("npm run bench --")
  .description(
    "Measures a tier beside its peers, one core each, and prints the ratios. Peers that are not installed are left out.",
  )
  .argument("<subject>", Object.keys(subjects).join(", "))
  .addOption(new Option("--seconds <n>", "of load for each measurement").default(5).argParser(Number))
  .option("--only <names>", "comma-separated: only these servers")
  .option("--json", "the figures as JSON")
  .action(async (name: string, options: { seconds: number; only?: string; json?: boolean }) => {
    if (!Object.hasOwn(subjects, name))
      command.error(`there is no subject "${name}"; known: ${Object.keys(subjects).join(", ")}`);
    if (!(options.seconds >= 1 && options.seconds <= 60)) command.error("--seconds takes 1 to 60");
    if (coreCount() < 2) command.error("needs two cores: one for the server, one for the load");
    const only = options.only?.split(",");
    const isWanted = (server: string) => !only || only.includes(server);
    try {
      const tables = await subjects[name as keyof typeof subjects]({ seconds: options.seconds, only, isWanted, say });
      process.stdout.write(
        options.json
          ? `${JSON.stringify(tables, undefined, 2)}\n`
          : tables.map(({ title, text }) => `\n${title}\n${text}`).join(""),
      );
    } catch (error) {
      process.stderr.write(`${messageOf(error)}\n`);
      process.exitCode = 1;
    }
  });

/** Progress goes to standard error, so that standard output holds the tables alone. */
function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

await command.parseAsync();
