import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";

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
  | "gdnsd"
  | "pdns_server";

/** Whether a real client is on the PATH. Where the tests must run whole (WATERSHED_REQUIRE_CLIENTS=1), it has to be.
 * @throws {Error} naming the missing program */
export function hasClient(program: Client): boolean {
  return isFound(program, spawnSync("which", [program]).status === 0);
}

/** Whether PowerDNS is there, with the part of it that reads zone files. @throws {Error} as above */
export function hasPowerDnsZones(): boolean {
  const backend = globSync("/usr/lib/{,*/}pdns/libbindbackend.so").length > 0;
  return hasClient("pdns_server") && isFound("pdns-backend-bind", backend);
}

function isFound(what: string, found: boolean): boolean {
  if (!found && process.env["WATERSHED_REQUIRE_CLIENTS"] === "1")
    throw new Error(`${what} is not installed, and WATERSHED_REQUIRE_CLIENTS=1 says that it must be`);
  return found;
}
