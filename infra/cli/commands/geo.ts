import { askFirst } from "../explain/ask.ts";
import { placesText } from "../explain/dns.ts";
import { placeToldSchema } from "../explain/schema.ts";
import { addServerOptions, chooseServers } from "../name-servers.ts";
import type { ServerChoice } from "../name-servers.ts";
import { paintForStdout } from "../table.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";

export const addGeo: AddCommand = (program, exitWith) => {
  const command = program
    .command("geo")
    .description("where addresses are, by which source, and which regions they get, in order, and why")
    .argument("<addresses...>", "of clients")
    .option("--json", "everything that the name server says, as JSON")
    .action(async (addresses: string[], options: ServerChoice & { json?: boolean }) =>
      exitWith(await geo(addresses, options)),
    );
  example(addServerOptions(command), "geo 81.2.69.142 2001:200::1");
};

async function geo(
  addresses: readonly string[],
  { json, ...choice }: ServerChoice & { json?: boolean },
): Promise<number> {
  const { servers } = await chooseServers(choice);
  const told: Readonly<Record<string, unknown>>[] = [];
  for (const address of addresses)
    told.push((await askFirst(servers, `/geo?address=${encodeURIComponent(address)}`)).told);
  if (json) process.stdout.write(`${JSON.stringify({ addresses: told }, null, 2)}\n`);
  else
    process.stdout.write(
      placesText(
        told.map((one) => placeToldSchema.parse(one)),
        paintForStdout,
      ),
    );
  return 0;
}
