import { defineConfig } from "vitest/config";

const seconds = 1_000;

export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["shared/**/*.test.ts", "services/**/*.test.ts", "infra/**/*.test.ts"] } },
      { test: { name: "repo", include: ["test/repo/**/*.test.ts"] } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], testTimeout: 30 * seconds } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 60 * seconds,
          hookTimeout: 60 * seconds,
        },
      },
    ],
  },
});
