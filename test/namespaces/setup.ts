import type { TestProject } from "vitest/node";
import { whyNoNamespaces } from "#test/support/netns/network.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Why tests cannot make network namespaces here; "" if they can. */
    whyNoNamespaces: string;
  }
}

/** @throws {Error} if there are none where there have to be (WATERSHED_REQUIRE_NAMESPACES=1) */
export function setup(project: TestProject): void {
  const why = whyNoNamespaces();
  project.provide("whyNoNamespaces", why ?? "");
  if (why === undefined) return;
  if (process.env["WATERSHED_REQUIRE_NAMESPACES"] === "1")
    throw new Error(`${why}; WATERSHED_REQUIRE_NAMESPACES=1 says that tests in namespaces must run`);
  process.stdout.write(`tests in network namespaces are skipped: ${why}\n`);
}
