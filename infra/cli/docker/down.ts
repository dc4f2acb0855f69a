import { TrafficError } from "#shared/core/error.ts";
import { composeCommand, run } from "../../docker/engine.ts";
import { projectDir } from "../stack/state.ts";
import { composeDown } from "./argv.ts";
import { findContainers } from "./containers.ts";

const limitMs = 120_000; // some twenty containers on a busy machine

/** Ends every container of the stack, and removes its networks and its token.
 * @returns how many there were
 * @throws {UsageError} if there is no Compose */
export async function endContainers(): Promise<number> {
  const containers = await findContainers();
  const [command, ...args] = await composeCommand();
  const project = containers[0]?.project;
  const output = await run(command, [...args, ...composeDown(project)], { limitMs, cwd: projectDir });
  if (output.code === 0) return containers.length;
  const why = output.all.trim().split("\n").at(-1);
  throw new TrafficError("UPSTREAM_INVALID", `${command} down: ${why}`, { origin: "upstream" });
}
