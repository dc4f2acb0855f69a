import { spawnSync } from "node:child_process";

type Client =
  | "dig"
  | "kdig"
  | "delv"
  | "unbound"
  | "dnssec-keygen"
  | "named-checkzone"
  | "dnsperf"
  | "curl"
  | "h2load"
  | "chromium"
  | "redis-cli"
  | "gdnsd";

/** Whether a real client is on the PATH. Where the tests must run whole (WATERSHED_REQUIRE_CLIENTS=1), it has to be.
 * @throws {Error} naming the missing program */
export function hasClient(program: Client): boolean {
  const found = spawnSync("which", [program]).status === 0;
  if (!found && process.env["WATERSHED_REQUIRE_CLIENTS"] === "1")
    throw new Error(`${program} is not installed, and WATERSHED_REQUIRE_CLIENTS=1 says that it must be`);
  return found;
}
