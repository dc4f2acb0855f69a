import type { Topology } from "#shared/config/schema/topology.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { clientAddressOf } from "#shared/topology/topology.ts";
import { subnetOf } from "./dns-client.ts";

/** Who asks. */
export interface Client {
  readonly address: string;
  readonly country: string | null;
  /** What this machine sends from: the address itself where it is a local one. */
  readonly localAddress: string;
  /** What is sent as EDNS Client Subnet, because the address is not one of this machine; else null. */
  readonly subnet: Cidr | null;
}

const localAnywhere = "127.0.0.1";

/** @param here address of the client container that this runs in; undefined among local processes
 * @throws {UsageError} for an unknown country, or text that is no address */
export function clientOf(topology: Topology, from: string, here?: string): Client {
  const { address, country } = clientAddressOf(topology, from, here === undefined ? "loopback" : "containers");
  const bytes = parseAddress(address);
  if (!bytes) throw new UsageError(`"${from}" is neither a country nor an address`);
  const text = formatAddress(bytes);
  if (here !== undefined)
    return { address: text, country, localAddress: here, subnet: text === here ? null : subnetOf(bytes) };
  if (bytes.length === 4 && bytes[0] === 127) return { address: text, country, localAddress: text, subnet: null };
  return { address: text, country, localAddress: localAnywhere, subnet: subnetOf(bytes) };
}

/** What is asked for. */
export interface Target {
  readonly host: string;
  /** The host where it is an address, so that no name is asked for; else null. */
  readonly address: string | null;
  /** Null: that of the router. */
  readonly port: number | null;
  readonly hostHeader: string;
  readonly path: string;
}

/** @throws {UsageError} for anything but a path or an http URL */
export function targetOf(topology: Topology, text: string): Target {
  const url = parseUrl(text.startsWith("/") ? `http://www.${topology.dnsZone}${text}` : text);
  if (url.protocol !== "http:") throw new UsageError(`${text}: the stack speaks http here, not ${url.protocol}`);
  if (url.username || url.password) throw new UsageError(`${text}: send a name and password as --header`);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return {
    host,
    address: parseAddress(host) ? host : null,
    port: url.port === "" ? null : Number(url.port),
    hostHeader: url.host,
    path: `${url.pathname}${url.search}`,
  };
}

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new UsageError(`"${text}" is neither a path such as /api/users nor a URL such as http://www.stream.test/`);
  }
}
