import path from "node:path";
import { composeCommand, run } from "../../infra/docker/engine.ts";
import { projectName } from "./labels.ts";

const root = path.resolve(import.meta.dirname, "../..");
const limitMs = 120_000;

/** Runs Compose on the project under test.
 * @param folder of the docker-compose.yml; default: that of the repository
 * @throws {Error} with what it said, if it fails */
export async function compose(args: readonly string[], folder = root): Promise<string> {
  const [command, ...first] = await composeCommand();
  const output = await run(command, [...first, "--project-name", projectName, ...args], { limitMs, cwd: folder });
  if (output.code !== 0) throw new Error(`compose ${args.join(" ")}: ${output.code}\n${output.all}`);
  return output.stdout;
}
