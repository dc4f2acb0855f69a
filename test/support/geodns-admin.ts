import { vi } from "vitest";
import { listenAdmin } from "#shared/server/admin.ts";
import type { AdminListener } from "#shared/server/admin.ts";
import { main } from "#cli/main.ts";
import type { GeodnsBench } from "./geodns.ts";

/** The admin API of a name server of this process, on a port of its own. */
export async function listenAdminOf({ server, host }: GeodnsBench): Promise<AdminListener> {
  const node = {
    host,
    status: () => ({ pools: [...server.pools()].map((pool) => pool.status()), ...server.status() }),
    ready: () => ({ ready: true, reason: "OK" }),
    explain: (query: URLSearchParams) => server.explain(query),
    findDecision: () => undefined,
    pools: () => server.pools(),
    reload: () => Promise.resolve({ revision: 1 }),
    drain: () => {},
    metrics: () => host.metrics.render(),
    onChange: () => Promise.resolve(),
  };
  const admin = await listenAdmin(node, "127.0.0.1:0", undefined);
  admin.extend((app) => server.extendAdmin(app));
  return admin;
}

/** One command, in this process, that speaks to this admin API. */
export async function watershed(
  { address }: AdminListener,
  ...args: readonly string[]
): Promise<{ code: number; output: string }> {
  let output = "";
  const write = (text: unknown) => {
    output += String(text);
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, "write").mockImplementation(write));
  try {
    return { code: await main([...args, "--admin", `http://${address}`]), output };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}
