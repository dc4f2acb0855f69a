import type { TestProject } from "vitest/node";
import { removeLabelled, whyNoContainers } from "#test/support/docker.ts";
import { run } from "../../infra/docker/engine.ts";
import { testLabels } from "./labels.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Why container tests cannot run here; "" if they can. */
    whyNoContainers: string;
  }
}

const imagesLimitMs = 900_000; // the base image is built too where it is missing

/** Builds what has changed of the images, and removes what an earlier run may have left.
 * @throws {Error} if there is no engine where there has to be one (WATERSHED_REQUIRE_CONTAINERS=1) */
export async function setup(project: TestProject): Promise<void> {
  const why = await whyNoContainers();
  project.provide("whyNoContainers", why ?? "");
  if (why !== undefined) {
    if (process.env["WATERSHED_REQUIRE_CONTAINERS"] === "1")
      throw new Error(`${why}; WATERSHED_REQUIRE_CONTAINERS=1 says that container tests must run`);
    process.stdout.write(`container tests are skipped: ${why}\n`);
    return;
  }
  await removeLeftovers();
  const images = await run("npm", ["run", "--silent", "images"], { limitMs: imagesLimitMs });
  if (images.code !== 0) throw new Error(`npm run images: ${images.all.trim()}`);
}

export async function teardown(): Promise<void> {
  if ((await whyNoContainers()) === undefined) await removeLeftovers();
}

async function removeLeftovers(): Promise<void> {
  for (const label of testLabels) await removeLabelled(label);
}
