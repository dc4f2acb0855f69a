import { spawn } from "node:child_process";
import os from "node:os";
import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import { defaultTopology } from "../stack/choose.ts";
import { programOf } from "../stack/spawn.ts";
import { example, shownPath } from "./command.ts";
import type { AddCommand } from "./command.ts";

const services = ["geodns", "l7-router", "l4-forwarder", "origin", "console"] as const;

export const addRun: AddCommand = (program, exitWith) => {
  const command = program
    .command("run")
    .description("runs one service in the foreground; every option goes to the service (--check, --watch ...)")
    .argument("<service>", services.join(", "))
    .argument("[options...]", "--config FILE, or --topology FILE --node NAME [--scale NAME]")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (service: string, options: string[]) => exitWith(await run(service, options)));
  example(command, `run l7-router --topology ${shownPath(defaultTopology)} --node eu-west/l7-1`);
};

const passedSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Runs a service under the same Node, passing on signals.
 * @returns its exit code; 128 + its number where a signal ended it, as shells do */
function run(service: string, options: readonly string[]): Promise<number> {
  if (!services.some((known) => known === service))
    throw new UsageError(`there is no service "${service}"${suggest(service, services)}`);
  // Its own session, or the terminal's Ctrl-C would reach it twice. The IPC channel ends it should this process be killed.
  const child = spawn(process.execPath, [programOf(service), ...options], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: true,
  });
  const passOn = (signal: NodeJS.Signals) => void child.kill(signal);
  for (const signal of passedSignals) process.on(signal, passOn);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      for (const passed of passedSignals) process.off(passed, passOn);
      resolve(code ?? 128 + (signal ? os.constants.signals[signal] : 0));
    });
  });
}
