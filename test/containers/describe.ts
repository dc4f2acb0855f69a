import { describe, inject } from "vitest";

/** A suite that needs an engine; where none answers it is skipped, with the reason in its name. */
export function describeInContainers(title: string, suite: () => void): void {
  const why = inject("whyNoContainers");
  describe.skipIf(why !== "")(why === "" ? title : `${title} (skipped: ${why})`, () => {
    suite();
  });
}
