import { Option } from "commander";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { askFirst } from "../explain/ask.ts";
import { placeToldSchema } from "../explain/schema.ts";
import { chooseStack } from "../stack/choose.ts";
import type { StackChoice } from "../stack/choose.ts";
import { listenForStop } from "../stack/stop.ts";
import { nodesAsked, services } from "../stack/node-choice.ts";
import type { NodeChoice } from "../stack/node-choice.ts";
import { paintForStdout } from "../table.ts";
import { followDecisions } from "../tap/follow.ts";
import { isWanted, readDecision } from "../tap/seen.ts";
import type { Seen, TapFilters } from "../tap/seen.ts";
import { formatCount } from "../text.ts";
import { addStackOptions, collect, example, wholeNumber } from "./command.ts";
import type { AddCommand } from "./command.ts";

const countriesKept = 10_000; // of clients

interface TapOptions extends StackChoice, NodeChoice, TapFilters {
  readonly count?: number;
  readonly json?: boolean;
}

export const addTap: AddCommand = (program, exitWith) => {
  const tiers = Object.keys(services).filter((tier) => tier !== "origin"); // origins decide nothing
  const command = program
    .command("tap")
    .description("shows what name servers, routers and forwarders decide, as they do, until Ctrl-C")
    .addOption(new Option("--tier <name>", "only the nodes of a tier").choices(tiers))
    .option("--node <name>", "only this node")
    .option("--country <code>", "only clients of a country, such as DE; may be given several times", collect, [])
    .option("--route <name>", "only requests of a route, by its name or number; several times", collect, [])
    .option("--pool <name>", "only what goes to a pool; several times", collect, [])
    .option("--status <code>", "only a status, such as 404, 5xx or NXDOMAIN; several times", collect, [])
    .option("--reason <code>", "only a reason, such as REGION_FAILOVER; several times", collect, [])
    .option("--count <n>", "end after so many", wholeNumber(1, 1_000_000_000))
    .option("--json", "everything that a node records of a decision, one line of JSON each")
    .action(async (options: TapOptions) => exitWith(await tap(options)));
  example(addStackOptions(command), "tap --pool api --status 5xx");
};

/** @returns 1 if no node answers, else 0
 * @throws {UsageError} if there is no such node, or one refuses us */
async function tap(options: TapOptions): Promise<number> {
  const { nodes } = await chooseStack(options);
  const asked = nodesAsked(nodes, options).filter(({ service }) => service !== "origin");
  const silent = new Set<TopologyNode>();
  const ended = new AbortController();
  using stop = listenForStop(() => process.exit(1));
  const signal = AbortSignal.any([stop.signal, ended.signal]);
  const countries = new Countries(nodes.filter(({ service }) => service === "geodns"));
  let left = options.count ?? Infinity;
  const show = (node: TopologyNode, decision: Readonly<Record<string, unknown>>, seen: Seen) => {
    if (left <= 0) return;
    process.stdout.write(lineOf(node, decision, seen, options.json ?? false));
    if (--left <= 0) ended.abort();
  };
  const take = async (node: TopologyNode, decision: Readonly<Record<string, unknown>>) => {
    const read = readDecision(node.service, decision);
    if (!read || !isWanted(read, { ...options, country: [] })) return;
    const country = read.country ?? (options.country.length > 0 ? await countries.of(read.client) : null);
    const seen = { ...read, country };
    if (isWanted(seen, options)) show(node, decision, seen);
  };
  await Promise.all(
    asked.map((node) =>
      followDecisions(node, signal, {
        decision: (from, decision) => void take(from, decision),
        passedOver: ({ name }, count) => note(`${name}: ${formatCount(count, "decision")} more in a second, not shown`),
        silent(from, why) {
          if (why === undefined) silent.delete(from);
          else silent.add(from);
          note(why === undefined ? `${from.name} answers again` : `${from.name} does not answer: ${why}`);
          if (silent.size === asked.length) ended.abort();
        },
      }),
    ),
  );
  return silent.size === asked.length ? 1 : 0;
}

/** Beside what is decided, so that a pipe gets decisions alone. */
function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function lineOf(node: TopologyNode, decision: Readonly<Record<string, unknown>>, seen: Seen, json: boolean): string {
  const at = new Date();
  const { name, service } = node;
  if (json)
    return `${JSON.stringify({ at: at.toISOString(), node: name, service, country: seen.country, decision })}\n`;
  const isWell = seen.reason === "OK" || seen.reason === "";
  const time = paintForStdout("dim", at.toTimeString().slice(0, 8));
  return `${time}  ${paintForStdout("bold", name)}  ${isWell ? seen.text : paintForStdout("yellow", seen.text)}\n`;
}

/** Where clients are, as a name server says. */
class Countries {
  readonly #servers: readonly TopologyNode[];
  readonly #known = new Map<string, Promise<string | null>>();

  constructor(servers: readonly TopologyNode[]) {
    this.#servers = servers;
  }

  of(address: string): Promise<string | null> {
    let country = this.#known.get(address);
    if (country) return country;
    if (this.#known.size === countriesKept) this.#known.clear();
    country = askFirst(this.#servers, `/geo?address=${encodeURIComponent(address)}`).then(
      ({ told }) => placeToldSchema.parse(told).place.country,
      () => null,
    );
    this.#known.set(address, country);
    return country;
  }
}
