import { parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { ForwardListener } from "./userspace/listener.ts";

/** Which server a new connection of this client would get, and why: `client` is an address, `listener` an "address:port" or
 * the name of its pool; it may be left out where there is only one.
 * @throws {UsageError} if the query does not say enough, or names what is not there */
export function explain(query: URLSearchParams, listeners: readonly ForwardListener[]): Record<string, unknown> {
  const listener = findListener(query.get("listener"), listeners);
  const client = clientHost(query.get("client"));
  const { pool } = listener;
  const choice = pool.choose({ hash: hash32(client), tried: [], peek: true });
  return {
    client,
    listener: listener.address,
    pool: pool.name,
    open: listener.isOpen,
    reason: listener.isOpen ? choice.reason : listener.reason,
    choice: pool.describe(choice, []),
  };
}

function findListener(name: string | null, listeners: readonly ForwardListener[]): ForwardListener {
  const [only, ...others] = listeners;
  if (name === null && only && others.length === 0) return only;
  const found = listeners.find((listener) => listener.address === name || listener.pool.name === name);
  if (found) return found;
  const known = listeners.map((listener) => `${listener.address} (${listener.pool.name})`).join(", ");
  throw new UsageError(`listener: give the address or the pool of one of ${known}`);
}

function clientHost(client: string | null): string {
  const host = parseSocketAddress(client ?? "")?.host ?? client ?? "";
  if (!parseAddress(host)) throw new UsageError("client: give an IP address, such as client=127.49.0.7");
  return host;
}
