import { defineConfig } from "vitest/config";

const seconds = 1_000;
const slow = { testTimeout: 60 * seconds, hookTimeout: 60 * seconds };

export default defineConfig({
  test: {
    reporters: ["default", "./test/support/suite-reporter.ts"],
    projects: [
      {
        test: {
          name: "unit",
          isolate: false,
          testTimeout: 30 * seconds, // some start a process, on a machine that may be busy
          include: ["shared/**/*.test.ts", "services/**/*.test.ts", "infra/**/*.test.ts"],
        },
      },
      { test: { name: "repo", isolate: false, include: ["test/repo/**/*.test.ts"] } },
      { test: { name: "fuzz", include: ["test/fuzz/**/*.test.ts"] } },
      { test: { name: "contract", include: ["test/contract/**/*.test.ts"], ...slow } },
      { test: { name: "conformance", include: ["test/conformance/**/*.test.ts"], ...slow } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          exclude: ["test/integration/stack*.test.ts"],
          ...slow,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Network namespaces with rules of their own, which the tests make and remove.
        test: {
          name: "namespaces",
          include: ["test/namespaces/**/*.test.ts"],
          globalSetup: "test/namespaces/setup.ts",
          fileParallelism: false,
          ...slow,
          sequence: { groupOrder: 4 },
        },
      },
      {
        // A whole stack is 18 processes: it has the machine to itself, or its checks would time out.
        test: {
          name: "stack",
          include: ["test/integration/stack*.test.ts"],
          fileParallelism: false,
          ...slow,
          sequence: { groupOrder: 2 },
        },
      },
      {
        // One stack of containers for all of its files, with fixed addresses and ports: one after the other.
        test: {
          name: "containers",
          include: ["test/containers/**/*.test.ts"],
          globalSetup: "test/containers/setup.ts",
          fileParallelism: false,
          testTimeout: 120 * seconds,
          hookTimeout: 180 * seconds,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
