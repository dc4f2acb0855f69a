import type { Command } from "commander";
import { suggest } from "#shared/config/nearest.ts";
import { formatSocketAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { addStackOptions } from "./commands/command.ts";
import { chooseStack } from "./stack/choose.ts";
import type { Stack, StackChoice } from "./stack/choose.ts";

/** Which name servers a command asks. */
export interface ServerChoice extends StackChoice {
  /** One of the stack, by name. */
  readonly server?: string | undefined;
  /** One of no stack, by its admin listener. */
  readonly admin?: string | undefined;
}

export interface NameServer {
  readonly name: string;
  /** "address:port" of its admin listener. */
  readonly admin: string;
}

export interface ChosenServers {
  readonly servers: readonly NameServer[];
  /** Undefined where one was named by its admin listener. */
  readonly stack: Stack | undefined;
}

/** Adds the options of ServerChoice. */
export function addServerOptions(command: Command): Command {
  return addStackOptions(
    command
      .option("--server <name>", "only this name server of the stack, such as ns1")
      .option("--admin <url>", "a name server of no stack, by its admin listener: http://127.0.0.1:5380"),
  );
}

/** The name servers that are meant: of the stack, one of them, or another one.
 * @throws {UsageError} if there is none of that name, or the URL is none of an admin listener */
export async function chooseServers(choice: ServerChoice): Promise<ChosenServers> {
  const { server, admin, ...stackChoice } = choice;
  if (admin !== undefined) {
    if (server !== undefined || Object.values(stackChoice).some((value) => value !== undefined))
      throw new UsageError(
        "--admin names a name server of no stack: leave out --server, --topology, --scale and --docker",
      );
    const address = adminAddress(admin);
    return { servers: [{ name: address, admin: address }], stack: undefined };
  }
  const stack = await chooseStack(stackChoice);
  const all = stack.nodes.filter(({ service }) => service === "geodns");
  const servers = server === undefined ? all : all.filter(({ name }) => name === server);
  if (servers.length > 0) return { servers, stack };
  const names = all.map(({ name }) => name);
  throw new UsageError(
    `there is no name server "${server ?? ""}"${suggest(server ?? "", names)} (known: ${names.join(", ")})`,
  );
}

/** "http://127.0.0.1:5380" or "127.0.0.1:5380" → "127.0.0.1:5380" */
export function adminAddress(text: string): string {
  const address = parseSocketAddress(text.replace(/^http:\/\//, "").replace(/\/$/, ""));
  if (!address || address.port === 0)
    throw new UsageError(`--admin: "${text}" is not the URL of an admin listener, such as http://127.0.0.1:5380`);
  return formatSocketAddress(address.host, address.port);
}
