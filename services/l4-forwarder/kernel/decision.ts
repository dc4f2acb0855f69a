import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import { readFlows } from "./flows.ts";
import type { KernelTable } from "./plan/model.ts";
import type { RunProgram } from "./program.ts";
import type { KernelListener } from "./table.ts";
import { nameOf, serversByMark } from "./traffic.ts";

/** Which server the kernel has chosen for the connection from "ip:port", as its own connection table remembers it: while it
 * lives, and for a while after its end. Who else could have been chosen the kernel does not know. */
export async function findKernelDecision(
  downstream: string,
  run: RunProgram,
  markFilter: string,
  table: KernelTable,
  listeners: readonly KernelListener[],
): Promise<Decision | undefined> {
  const client = parseSocketAddress(downstream);
  if (!client) return undefined;
  const from = ["--src", client.host, "--sport", String(client.port)];
  const found = await Promise.all(
    (["tcp", "udp"] as const).map((protocol) =>
      run("conntrack", ["-L", "-p", protocol, ...from, "--mark", markFilter]),
    ),
  );
  const [flow] = found.flatMap(({ code, stdout }) => (code === 0 ? readFlows(stdout, "all") : []));
  if (!flow) return undefined;
  const { listener, endpoint } = serversByMark(table, listeners).get(flow.mark) ?? {};
  if (!listener) return undefined;
  const choice = {
    pool: listener.pool.name,
    balance: listener.pool.balance,
    address: endpoint?.id ?? null,
    name: endpoint?.name ?? null,
    zone: endpoint?.zone ?? null,
    reason: "OK",
    active: endpoint?.active ?? 0,
    candidates: [],
  };
  return {
    connection: nameOf(flow),
    mode: "kernel",
    listener: listener.address,
    downstream,
    client: downstream,
    pool: choice.pool,
    server: choice.address,
    serverName: choice.name,
    state: flow.state,
    bytesUp: flow.bytesUp,
    bytesDown: flow.bytesDown,
    attempts: [{ choice, outcome: "OK", tookMs: null }],
  };
}
