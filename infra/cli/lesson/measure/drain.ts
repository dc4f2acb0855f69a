import { getAdminJson } from "../../admin-client.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { play } from "../traffic.ts";
import type { Ended } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const requests = 150;
const everyMs = 20;
const workMs = 200;
const outAtMs = 1_000;
const pollMs = 20;
const emptyPolls = 100; // 2 s: ten times as long as a job
const adminMs = 1_000;

/** A server goes out while it works: killed, or drained first. Orders are POSTs, which nobody may send a second time. */
export const drain: Measurement = {
  summary: "one of three servers goes out while it works on orders: killed, against drained and then stopped",
  cases: [],
  async run() {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const router = `${host}:8080`;
    const set = (name: string, port: number) =>
      [1, 2, 3].map((i) => ({
        name: `${name}-${i}`,
        service: "jobs",
        address: `${host}:${port + i}`,
        jobs: { slots: 8 },
      }));
    const [killed, drained] = [set("killed", 9_000), set("drained", 9_010)];
    const pool = (of: typeof killed) => ({ endpoints: of.map(({ address }) => ({ address })) });
    await using fleet = await startFleet(addresses, [
      { name: "origin", service: "origin", config: { servers: [...killed, ...drained] } },
      {
        name: "router",
        service: "l7-router",
        config: {
          listeners: [{ address: router }],
          routes: [
            { match: { path: "/killed" }, pool: "killed" },
            { match: {}, pool: "drained" },
          ],
          pools: { killed: pool(killed), drained: pool(drained) },
        },
      },
    ]);
    const orders = (name: string) => {
      const plan = Array.from({ length: requests }, (_, i) => {
        return { atMs: i * everyMs, client: i, to: router, path: `/${name}?work=${workMs}ms`, method: "POST" } as const;
      });
      return play(plan, addresses.client);
    };
    const later = new Promise((resolve) => setTimeout(resolve, outAtMs));
    const kill = async () => {
      await later;
      await fleet.post("origin", "/servers/killed-3/stop");
    };
    const drainFirst = async () => {
      await later;
      await fleet.post("router", `/pools/drained/endpoints/${drained[2]?.address}/drain`);
      for (let i = 0; i < emptyPolls; i++) {
        const { working, waiting } = await getAdminJson(fleet.admin("origin"), "/servers/drained-3", adminMs);
        if (working === 0 && waiting === 0) break;
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
      await fleet.post("origin", "/servers/drained-3/stop");
    };
    const [byKill, byDrain] = await Promise.all([orders("killed"), orders("drained"), kill(), drainFirst()]);
    const row = (name: string, ended: readonly Ended[]) => [
      name,
      String(ended.length),
      String(ended.filter(({ status }) => status !== 200).length),
      String(ended.filter(({ server }) => server.endsWith("-3")).length),
    ];
    return {
      notes: [
        `${requests} orders of ${workMs} ms each, one every ${everyMs} ms; the third server goes out after ${outAtMs / 1_000} s`,
      ],
      columns: [{ title: "the server was" }, number("orders"), number("failed"), number("by the third")],
      rows: [row("killed", byKill), row("drained", byDrain)],
    };
  },
};
