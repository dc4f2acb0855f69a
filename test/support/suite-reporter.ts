import type { Reporter, TestModule } from "vitest/node";

interface Times {
  readonly startedMs: number;
  endedMs: number;
}

/** Says at the end how each suite went, one line each, in the order in which they ran. */
// oxlint-disable-next-line import/no-default-export -- vitest takes a reporter by the path of its file
export default class SuiteReporter implements Reporter {
  /** By suite, as vitest.config.ts names them. */
  readonly #times = new Map<string, Times>();

  onTestModuleStart(module: TestModule): void {
    const nowMs = performance.now();
    if (!this.#times.has(module.project.name))
      this.#times.set(module.project.name, { startedMs: nowMs, endedMs: nowMs });
  }

  onTestModuleEnd(module: TestModule): void {
    const times = this.#times.get(module.project.name);
    if (times) times.endedMs = performance.now();
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = Array.from(this.#times, ([name, { startedMs, endedMs }]) => {
      const own = modules.filter(({ project }) => project.name === name);
      const states = own.flatMap((module) => Array.from(module.children.allTests(), (test) => test.result().state));
      const count = (state: string) => states.filter((one) => one === state).length;
      // A file that cannot be loaded has no tests that could fail.
      const failed = count("failed") + own.filter((module) => module.errors().length > 0).length;
      return `${name}: ${count("passed")} passed, ${failed} failed, ${count("skipped")} skipped (${Math.round((endedMs - startedMs) / 1_000)} s)`;
    });
    process.stdout.write(`${lines.join("\n")}\n`);
  }
}
