import { describe, inject } from "vitest";

/** A suite that needs network namespaces; where none can be made it is skipped, with the reason in its name. */
export function describeInNamespaces(title: string, suite: () => void): void {
  const why = inject("whyNoNamespaces");
  describe.skipIf(why !== "")(why === "" ? title : `${title} (skipped: ${why})`, () => {
    suite();
  });
}
