// Builds watershed/SERVICE:local of every service and of the client. What has not changed is kept.
import path from "node:path";
import { Command, CommanderError, Option } from "commander";
import { UsageError } from "#shared/core/error.ts";
import { askDocker, engineVersion, run } from "./engine.ts";
import { suggest } from "#shared/config/nearest.ts";
import { inputsOf, moreRecipes, recipes } from "./inputs.ts";
import type { ImageRecipe } from "./inputs.ts";

const root = path.resolve(import.meta.dirname, "../..");
const registryBase = "node:26-bookworm-slim";
const localBase = "watershed/base:local";
const label = "watershed.inputs";

const registryLimitMs = 3_000; // where there is none, an answer never comes
const pullLimitMs = 300_000;
const buildLimitMs = 600_000;
const linesShown = 40;

type Base = "auto" | "registry" | "local";

async function main(argv: readonly string[]): Promise<void> {
  const command = new Command("images")
    .description("Builds the images of all services, and first their base image where no registry answers.")
    .argument("[images...]", "which: geodns, client ...; default: those of the stack (not postgres, of that profile)")
    .addOption(
      new Option("--base <from>", "base image: from the registry, or built here from Debian packages")
        .choices(["auto", "registry", "local"])
        .default("auto"),
    )
    .allowExcessArguments(false)
    .exitOverride();
  const { base } = command.parse(argv, { from: "user" }).opts<{ base: Base }>();
  const wanted = command.args.length > 0 ? command.args.map(recipeNamed) : recipes;
  await engineVersion();
  const baseImage = await prepareBase(base);
  const baseId = await idOf(baseImage);
  for (const recipe of wanted) await build(recipe, baseImage, baseId);
}

/** @throws {UsageError} if there is no such image */
function recipeNamed(name: string): ImageRecipe {
  const all = new Map([...recipes, ...moreRecipes].map((recipe) => [imageName(recipe), recipe]));
  const found = all.get(name);
  if (!found) throw new UsageError(`there is no image "${name}"${suggest(name, [...all.keys()])}`);
  return found;
}

const imageName = ({ tag }: ImageRecipe): string => tag.replace(/^watershed\/(.+):local$/, "$1");

/** @returns the name of a base image that is there
 * @throws {UsageError} if it cannot be had */
async function prepareBase(from: Base): Promise<string> {
  if (from !== "local" && (await pullBase())) return registryBase;
  if (from === "registry")
    throw new UsageError(`cannot get ${registryBase}: no registry answers (--base local builds one)`);
  const output = await run("bash", [path.join(root, "infra/docker/base-image.sh")], { limitMs: buildLimitMs });
  if (output.code !== 0) throw new UsageError(output.all.trim());
  print(output.stdout.trim());
  return localBase;
}

async function pullBase(): Promise<boolean> {
  if ((await askDocker("image", "inspect", registryBase)).code === 0) return true;
  if (!(await registryAnswers())) return false;
  return (await run("docker", ["pull", "--quiet", registryBase], { limitMs: pullLimitMs })).code === 0;
}

async function registryAnswers(): Promise<boolean> {
  try {
    const response = await fetch("https://registry-1.docker.io/v2/", { signal: AbortSignal.timeout(registryLimitMs) });
    await response.body?.cancel();
    return response.status === 200 || response.status === 401; // 401: as everybody who has not logged in
  } catch {
    return false;
  }
}

async function idOf(image: string): Promise<string> {
  return (await askDocker("image", "inspect", "--format", "{{.Id}}", image)).stdout.trim();
}

/** @throws {UsageError} with the last lines of the build, if it fails */
async function build(recipe: ImageRecipe, baseImage: string, baseId: string): Promise<void> {
  const startedMs = performance.now();
  const inputs = inputsOf(root, recipe, baseId);
  const built = await askDocker("image", "inspect", "--format", `{{index .Config.Labels "${label}"}}`, recipe.tag);
  if (built.code === 0 && built.stdout.trim() === inputs) {
    print(`${recipe.tag}: up to date`);
    return;
  }
  const registry = process.env["npm_config_registry"];
  const options = {
    network: "host", // packages come from where the host gets them, by its own name servers
    file: "infra/docker/Dockerfile",
    tag: recipe.tag,
    label: `${label}=${inputs}`,
  };
  const buildArguments = [`BASE_IMAGE=${baseImage}`, ...(registry ? [`NPM_REGISTRY=${registry}`] : [])];
  const args = [
    "build",
    ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ...buildArguments.map((argument) => `--build-arg=${argument}`),
    ...recipe.buildOptions,
    ".",
  ];
  const output = await run("docker", args, { limitMs: buildLimitMs, cwd: root });
  if (output.code !== 0) {
    const why = output.code === null ? `is not built after ${buildLimitMs / 1_000} s` : "cannot be built";
    const lines = output.all.trimEnd().split("\n").slice(-linesShown);
    throw new UsageError(`${recipe.tag} ${why}:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  }
  print(`${recipe.tag}: built in ${Math.round((performance.now() - startedMs) / 1_000)} s`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

if (import.meta.main)
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 2;
    } else throw error;
  }
