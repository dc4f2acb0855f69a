import { parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import type { KernelMode } from "./kernel/kernel-mode.ts";
import { slotOfAddress } from "./kernel/plan/jhash.ts";
import type { SlotPlan } from "./kernel/plan/model.ts";
import type { ForwardListener } from "./userspace/listener.ts";

/** Which server a new connection of this client would get, and why: `client` is an address, `listener` an "address:port" or
 * the name of its pool; it may be left out where there is only one.
 * @throws {UsageError} if the query does not say enough, or names what is not there */
export function explain(
  query: URLSearchParams,
  listeners: readonly ForwardListener[],
  kernel: KernelMode,
): Record<string, unknown> {
  const listener = findListener(query.get("listener"), listeners);
  const client = clientHost(query.get("client"));
  const { pool } = listener;
  const { mode, why } = kernel.modeOf(listener.config);
  const about = { client, listener: listener.address, pool: pool.name, mode, why, open: listener.isOpen };
  const choice = pool.choose({ hash: hash32(client), tried: [], peek: true });
  const plan = kernel.planFor(listener);
  if (plan) {
    const reason = plan.slots.length > 0 ? choice.reason : listener.reason;
    return { ...about, reason, kernel: explainSlots(plan, client, pool) };
  }
  return {
    ...about,
    reason: listener.isOpen ? choice.reason : listener.reason,
    choice: pool.describe(choice, []),
  };
}

/** What the kernel would do: it counts through its slots, or draws one, so only a hash can be foretold. */
function explainSlots({ by, slots }: SlotPlan, client: string, pool: Pool): Record<string, unknown> {
  const counts = new Map<number, number>();
  for (const slot of slots) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  const servers = pool.endpoints.map(({ id, name, active, eligible, reason }, i) => ({
    address: id,
    name,
    active,
    reason: eligible && !counts.has(i) ? "LIMIT_REACHED" : reason,
    share: Math.round(((counts.get(i) ?? 0) / Math.max(1, slots.length)) * 1_000) / 1_000,
  }));
  const bytes = parseAddress(client);
  const slot = by === "hash" && bytes && slots.length > 0 ? slotOfAddress(bytes, slots.length) : undefined;
  const chosen = slot === undefined ? undefined : pool.endpoints[slots[slot] ?? -1];
  return { balance: pool.balance, by, slots: slots.length, slot: slot ?? null, address: chosen?.id ?? null, servers };
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
