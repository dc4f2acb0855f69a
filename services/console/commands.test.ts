import { describe, expect, it } from "vitest";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { Commands } from "./commands.ts";
import type { TrafficGenerator } from "./generator.ts";
import { StackState } from "./state/stack-state.ts";

function commands(): Commands {
  const state = new StackState(
    { regions: {} } as Topology,
    [],
    () => Promise.reject(new Error("no node")),
    () => null,
  );
  const change = () => Promise.reject(new Error("no node"));
  return new Commands({ nodes: [], state, generator: {} as TrafficGenerator, change });
}

describe("a command with wrong input is refused before anything is done", () => {
  it.each([
    { name: "drill", input: { verb: "kill", target: { kind: "server", name: "--help" } }, says: "expected a name" },
    { name: "drill", input: { verb: "kill", target: { kind: "-x", name: "a" } }, says: "expected a name" },
    { name: "drill", input: { verb: "explode", target: { kind: "server", name: "a" } }, says: "verb" },
    { name: "drill", input: [], says: "expected object" },
    { name: "weight", input: { pool: "api", endpoint: "127.0.0.1:1", weight: 0 }, says: "weight" },
    { name: "weight", input: { pool: "api", endpoint: "127.0.0.1:1", weight: 2 }, says: "no node has an endpoint" },
    { name: "balance", input: { tier: "l7", pool: "api", balance: "quickest" }, says: "balance" },
    { name: "balance", input: { tier: "l4", pool: "api", balance: "random" }, says: "no forwarder has a pool api" },
    { name: "traffic", input: { rates: { DE: 9_999 } }, says: "rates.DE" },
    { name: "trace", input: { from: "DE", method: "get", url: "/", headers: [] }, says: "expected a method" },
    { name: "trace", input: { from: "--help", method: "GET", url: "/", headers: [] }, says: "expected a country" },
    { name: "nothing", input: {}, says: 'there is no command "nothing"' },
  ])("$name $input: $says", async ({ name, input, says }) => {
    const refusal = await commands()
      .run(name, input)
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(UsageError);
    expect((refusal as UsageError).message).toContain(says);
  });
});
