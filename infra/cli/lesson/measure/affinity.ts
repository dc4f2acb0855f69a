import { barChart } from "../chart.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { play } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const clients = 200;
const everyMs = 4;

/** Which server each of 200 clients is sent to by ip-hash, before and after a fifth server joins; and what a modulo of the same
 * addresses would do, by arithmetic alone: no server of this repository chooses so. */
export const affinity: Measurement = {
  summary: "200 clients under ip-hash: who moves when a fifth server is added, against a modulo",
  cases: [],
  async run() {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const router = `${host}:8080`;
    const servers = [1, 2, 3, 4, 5].map((i) => ({ name: `web-${i}`, service: "web", address: `${host}:${9_000 + i}` }));
    const configWith = (count: number) => ({
      listeners: [{ address: router }],
      routes: [{ match: {}, pool: "web" }],
      pools: {
        web: { balance: "ip-hash", endpoints: servers.slice(0, count).map(({ address }) => ({ address })) },
      },
    });
    await using fleet = await startFleet(addresses, [
      { name: "origin", service: "origin", config: { servers } },
      { name: "router", service: "l7-router", config: configWith(4) },
    ]);
    const everybody = async () => {
      const plan = Array.from({ length: clients }, (_, client) => {
        return { atMs: client * everyMs, client, to: router, path: "/" };
      });
      return (await play(plan, addresses.client)).map(({ server }) => server);
    };
    const first = await everybody();
    const second = await everybody();
    await fleet.reconfigure("router", configWith(5));
    const grown = await everybody();
    const stayed = first.filter((server, i) => server !== "" && server === second[i]).length;
    const moved = first.filter((server, i) => server !== grown[i]).length;
    const elsewhere = first.filter((server, i) => server !== grown[i] && grown[i] !== "web-5").length;
    const hosts = Array.from({ length: clients }, (_, client) => numberOf(addresses.client(client)));
    const byModulo = hosts.filter((address) => address % 4 !== address % 5).length;
    const percent = (count: number) => `${Math.round((100 * count) / clients)} %`;
    return {
      notes: [`${clients} clients, four servers, then five`],
      columns: [
        { title: "choice" },
        number("same server again"),
        number("moved"),
        number("of these not to the new one"),
      ],
      rows: [
        ["ip-hash (Maglev)", percent(stayed), percent(moved), percent(elsewhere)],
        [
          "modulo",
          "100 %",
          percent(byModulo),
          percent(hosts.filter((address) => address % 4 !== address % 5 && address % 5 !== 4).length),
        ],
      ],
      picture: barChart("Clients that lose their server when a fifth is added", "%", [
        { name: "modulo", value: (100 * byModulo) / clients },
        { name: "consistent (Maglev)", value: (100 * moved) / clients },
        { name: "the least there can be", value: 20 },
      ]),
    };
  },
};

/** An IPv4 address as the number that it is. */
function numberOf(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
