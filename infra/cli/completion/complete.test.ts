import { Command, Option } from "commander";
import { describe, expect, it } from "vitest";
import { complete } from "./complete.ts";
import type { KnownValues } from "./complete.ts";

const known: KnownValues = {
  targets: [
    { kind: "server", name: "eu-west-a/api-1" },
    { kind: "server", name: "eu-west-a/web-1" },
    { kind: "router", name: "eu-west/l7-1" },
  ],
  nodes: [
    { name: "eu-west/l7-1", service: "l7-router" },
    { name: "ns1", service: "geodns" },
  ],
  countries: ["DE", "US"],
  scales: ["netflix"],
  lessons: ["geography"],
};

function program(): Command {
  const root = new Command("watershed");
  const status = root.command("status").option("--node <name>").option("--json");
  status.addOption(new Option("--tier <name>").choices(["l4", "l7"]));
  root.command("trace").option("--from <client>").option("--router <name>").argument("<url>");
  status.option("--country <code>");
  root.command("hush", { hidden: true });
  const chaos = root.command("chaos");
  chaos.command("kill").argument("<kind>").argument("[name]").option("--for <time>");
  root.command("lesson").command("run").argument("<name>");
  root.command("run").argument("<service>");
  return root;
}

describe("completion", () => {
  it.each([
    { line: "", gives: ["chaos", "lesson", "run", "status", "trace"] },
    { line: "st", gives: ["status"] },
    { line: "status --", gives: ["--country", "--help", "--json", "--node", "--tier"] },
    { line: "status --country D", gives: ["DE"] },
    { line: "status --tier ", gives: ["l4", "l7"] },
    { line: "status --node n", gives: ["ns1"] },
    { line: "status --json --tier l", gives: ["l4", "l7"] },
    { line: "trace --router ", gives: ["eu-west/l7-1"] },
    { line: "trace --from D", gives: ["DE"] },
    { line: "chaos ", gives: ["kill"] },
    { line: "chaos kill ", gives: ["router", "server"] },
    { line: "chaos kill --for 3s server eu-west-a/w", gives: ["eu-west-a/web-1"] },
    { line: "lesson run ", gives: ["geography"] },
    { line: "run l7", gives: ["l7-router"] },
    { line: "trace --from DE /api", gives: [] },
    { line: "nothing at all ", gives: [] },
  ])("of '$line': $gives", ({ line, gives }) => {
    expect(complete(program(), line.split(" "), () => known)).toEqual(gives);
  });

  it("asks for what is known of a stack only where it is needed", () => {
    let asked = 0;
    const ask = () => {
      asked++;
      return known;
    };
    complete(program(), ["status", "--"], ask);
    expect(asked).toBe(0);
    complete(program(), ["trace", "--from", ""], ask);
    expect(asked).toBe(1);
  });
});
