import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";

/** What one image is made of. */
export interface ImageRecipe {
  /** "watershed/geodns:local" */
  readonly tag: string;
  readonly buildOptions: readonly string[];
  /** Files and folders of the repository that the Dockerfile copies into it. */
  readonly sources: readonly string[];
}

const forAll = ["package.json", "package-lock.json", "LICENSE", "infra/topology.yaml", "shared"];
const services = ["geodns", "l7-router", "l4-forwarder", "origin"];

/** The images of the stack. */
export const recipes: readonly ImageRecipe[] = [
  ...services.map((service) => ({
    tag: `watershed/${service}:local`,
    buildOptions: ["--target=service", `--build-arg=SERVICE=${service}`],
    sources: [...forAll, `services/${service}`, "infra/docker/healthcheck.ts", "infra/docker/make-token.ts"],
  })),
  {
    tag: "watershed/client:local",
    buildOptions: ["--target=client"],
    sources: [...forAll, "infra/cli", "watershed"],
  },
];

/** Images of a profile, which are built where they are asked for. */
export const moreRecipes: readonly ImageRecipe[] = [
  { tag: "watershed/postgres:local", buildOptions: ["--target=postgres"], sources: ["infra/docker/postgres.sh"] },
];

/** How every image is made. */
const methods = ["infra/docker/Dockerfile", ".dockerignore"];

/** A hash of everything that goes into an image: where two are the same, so are the images. */
export function inputsOf(root: string, recipe: ImageRecipe, baseId: string): string {
  const hash = createHash("sha256");
  hash.update(JSON.stringify([baseId, recipe.buildOptions]));
  for (const file of [...methods, ...recipe.sources].flatMap((source) => filesOf(root, source)))
    hash.update(`\0${file}\0`).update(readFileSync(path.join(root, file)));
  return hash.digest("hex");
}

/** A file, or every file below a folder that .dockerignore lets into an image, in a fixed order. */
function filesOf(root: string, source: string): string[] {
  if (!statSync(path.join(root, source)).isDirectory()) return [source];
  return readdirSync(path.join(root, source), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => !/\.test\.ts$|\/goldens\/|\.golden\.json$/.test(file))
    .toSorted();
}
