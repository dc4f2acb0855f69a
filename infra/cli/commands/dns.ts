import { Option } from "commander";
import { z } from "zod";
import { formatAddress, parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { getAdminJson, postAdmin, refusalText } from "../admin-client.ts";
import { addServerOptions, chooseServers } from "../name-servers.ts";
import type { NameServer, ServerChoice } from "../name-servers.ts";
import { paintForStdout, renderTable } from "../table.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const states = {
  up: "answers it whatever its checks say",
  down: "never answers it",
  drain: "answers it only while nothing else is up",
  auto: "as the checks say again",
} as const;
type State = keyof typeof states;

const limitMs = 2_000;

interface DnsOptions extends ServerChoice {
  readonly service?: string;
  readonly json?: boolean;
}

export const addDns: AddCommand = (program, exitWith) => {
  const dns = program.command("dns").description("sets a region, or an address of one, against its checks");
  for (const [state, description] of Object.entries(states) as [State, string][]) {
    const command = dns
      .command(state)
      .description(description)
      .argument("<target>", "a region such as eu-west, or an address such as 127.11.0.1")
      .addOption(new Option("--service <name>", "only for this service; default: for every one that has the target"))
      .option("--json", "what each name server says, as JSON")
      .action(async (target: string, options: DnsOptions) => exitWith(await force(state, target, options)));
    example(addServerOptions(command), `dns ${state} eu-west`);
  }
};

/** What one name server said. */
interface Outcome {
  readonly server: string;
  readonly ok: boolean;
  readonly told: string;
}

/** Every name server decides alone, so each is told.
 * @returns 1 unless all have done it */
async function force(state: State, target: string, { service, json, ...choice }: DnsOptions): Promise<number> {
  const { servers } = await chooseServers(choice);
  const address = parseAddress(target);
  if (!address && target.includes("/")) throw new UsageError(`"${target}" is neither a region nor an address`);
  const outcomes = await Promise.all(servers.map((server) => tell(server, { state, target, address, service })));
  if (json) process.stdout.write(`${JSON.stringify({ target, state, servers: outcomes }, null, 2)}\n`);
  else {
    const rows = outcomes.map(({ server, ok, told }) => [
      server,
      { text: ok ? state : "refused", colour: ok ? ("green" as const) : ("red" as const) },
      told,
    ]);
    const columns = [{ title: "name server" }, { title: target }, { title: "" }];
    process.stdout.write(renderTable(columns, rows, paintForStdout));
  }
  return outcomes.every(({ ok }) => ok) ? 0 : 1;
}

interface Order {
  readonly state: State;
  readonly target: string;
  /** Of the target, unless that is a region. */
  readonly address: AddressBytes | undefined;
  readonly service: string | undefined;
}

const replySchema = z.object({ error: z.string().optional(), kept: z.boolean().optional() });

/** Tells one name server. Never rejects. */
async function tell({ name, admin }: NameServer, order: Order): Promise<Outcome> {
  try {
    const told = new Set<string>();
    for (const path of await pathsOf(admin, order)) {
      const { status, text } = await postAdmin(admin, path, limitMs);
      if (status === 401) return { server: name, ok: false, told: refusalText(status) };
      const reply = replySchema.parse(JSON.parse(text));
      if (status !== 200) return { server: name, ok: false, told: reply.error ?? String(status) };
      if (reply.kept === false && order.state !== "auto") told.add("until it is restarted");
    }
    return { server: name, ok: true, told: [...told].join() };
  } catch (error) {
    return { server: name, ok: false, told: messageOf(error) };
  }
}

/** What is posted: for an address one path for each service that has it.
 * @throws {UsageError} if none has */
async function pathsOf(admin: string, { state, target, address, service }: Order): Promise<string[]> {
  if (!address) {
    const query = service === undefined ? "" : `?service=${encodeURIComponent(service)}`;
    return [`/regions/${encodeURIComponent(target)}/${state}${query}`];
  }
  const text = formatAddress(address);
  const services = service === undefined ? await servicesWith(admin, text) : [service];
  if (services.length === 0) throw new UsageError(`no service has the address ${text}`);
  return services.map((one) => `/pools/${encodeURIComponent(one)}/endpoints/${encodeURIComponent(text)}/${state}`);
}

const poolsSchema = z.array(z.object({ name: z.string(), endpoints: z.array(z.object({ address: z.string() })) }));

async function servicesWith(admin: string, address: string): Promise<string[]> {
  const pools = poolsSchema.parse((await getAdminJson(admin, "/status", limitMs))["pools"]);
  const has = ({ endpoints }: (typeof pools)[number]) =>
    endpoints.some((endpoint) => parseSocketAddress(endpoint.address)?.host === address);
  return pools.filter(has).map(({ name }) => name);
}
