import { spawn } from "node:child_process";
import path from "node:path";
import { projectDir } from "../stack/state.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const tool = path.join(projectDir, "services/geodns/dnssec/tool.ts");

export const addDnssec: AddCommand = (program, exitWith) => {
  const command = program
    .command("dnssec")
    .description("makes and shows the keys that a name server signs a DNS zone with")
    .argument("[command...]", "keygen ZONE, ds ZONE, list ZONE, set ZONE TAG; each has --help")
    .helpOption(false) // the tool tells its own
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (argv: string[]) => exitWith(await run(argv)));
  example(command, "dnssec keygen stream.test --dir keys");
};

/** The tool of the name server, under the same Node. It asks nothing and ends by itself.
 * @returns its exit code; 1 where a signal ended it */
function run(argv: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [tool, ...argv], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
