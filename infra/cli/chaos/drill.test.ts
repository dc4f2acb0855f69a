import http from "node:http";
import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { listenServer } from "#shared/net/listen.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { defaultTopology } from "../stack/choose.ts";
import type { Stack } from "../stack/choose.ts";
import { Drill } from "./drill.ts";
import type { DrillOptions } from "./drill.ts";
import { lineText } from "./lines.ts";
import type { Power } from "./power.ts";
import { findTarget, targetsOf } from "./target.ts";

const topology = loadConfig(defaultTopology, topologySchema);
const routerName = "eu-west/l7-1";

let open: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(open.map((close) => close()));
  open = [];
});

/** Stands for every node of the stack: its pool has the router, and everybody who listens is told what becomes of it. */
async function fakeAdmin(endpoint: string) {
  let state = "up";
  const listeners = new Set<ServerResponse>();
  const server = http.createServer((request, response) => {
    if (request.url !== "/events") {
      const pools = [{ name: "web", endpoints: [{ address: endpoint, name: endpoint, state }] }];
      response.end(JSON.stringify({ state: "ready", pools }));
      return;
    }
    listeners.add(response);
    response.write(": connected\n\n");
  });
  const { address, close } = await listenServer(server, "127.0.0.1:0");
  open.push(async () => {
    server.closeAllConnections();
    await close();
  });
  return {
    address,
    become(next: "up" | "down") {
      state = next;
      const event = { type: `endpoint_${next}`, data: { pool: "web", endpoint, name: endpoint, reason: "OK" } };
      for (const response of listeners) response.write(`data: ${JSON.stringify(event)}\n\n`);
    },
  };
}

/** A drill on a router of a stack whose power is the name servers' view of it. */
async function drillOn(options: Pick<DrillOptions, "verb" | "forMs">, fails = false) {
  const real = nodesOf(topology);
  const endpoint = `${real.find(({ name }) => name === routerName)?.address}:8080`;
  const admin = await fakeAdmin(endpoint);
  const nodes = real.map((node) => ({ ...node, admin: admin.address }));
  const stack: Stack = { topology, file: "", scale: undefined, runsIn: "processes", nodes };
  const done: string[] = [];
  const act = (what: string, next: "up" | "down") => {
    done.push(what);
    if (fails && what === "kill") return Promise.reject(new Error("not permitted"));
    admin.become(next);
    return Promise.resolve(true);
  };
  const power: Power = {
    kill: () => act("kill", "down"),
    stop: () => act("stop", "down"),
    pause: () => act("pause", "down"),
    cut: async () => ((await act("cut", "down")) ? "cut off" : ""),
    heal: async () => ((await act("heal", "up")) ? ["started again"] : []),
    states: () => Promise.resolve(new Map()),
  };
  const controller = new AbortController();
  const lines: string[] = [];
  const drill = new Drill(stack, power, {
    ...options,
    target: findTarget(["router", routerName], targetsOf(nodes)),
    delayMs: 0,
    stop: { signal: controller.signal, asked: new Promise(() => {}), [Symbol.dispose]: () => {} },
    write: (line) => {
      lines.push(
        lineText(line, nodes)
          .replace(/^ *\+[\d.]+ s {2}/, "")
          .replaceAll(/ +/g, " "),
      );
      if (lines.at(-1) === "seen by all 2 nodes") controller.abort(); // As Ctrl-C does.
    },
  });
  return { drill, done, lines };
}

const lost = [
  "ns1 endpoint_down pool web eu-west/l7-1 OK",
  "ns2 endpoint_down pool web eu-west/l7-1 OK",
  "eu-west/l7-1 killed",
  "seen by all 2 nodes",
];

describe("a drill", () => {
  it("does it, and ends once those above have seen it", async () => {
    const { drill, done, lines } = await drillOn({ verb: "kill", forMs: undefined });
    expect(await drill.run()).toBe(true);
    expect(done).toEqual(["kill"]);
    expect(lines.toSorted()).toEqual(lost.toSorted());
  });

  it("heals at Ctrl-C, long before its time, and waits until that is seen", async () => {
    const { drill, done, lines } = await drillOn({ verb: "kill", forMs: 3_600_000 });
    expect(await drill.run()).toBe(true);
    expect(done).toEqual(["kill", "heal"]);
    expect(lines.slice(lost.length).toSorted()).toEqual([
      "eu-west/l7-1 started again",
      "ns1 endpoint_up pool web eu-west/l7-1 OK",
      "ns2 endpoint_up pool web eu-west/l7-1 OK",
      "seen by all 2 nodes",
    ]);
  });

  it("heals also what it could not do whole, and says why it failed", async () => {
    const { drill, done } = await drillOn({ verb: "kill", forMs: 3_600_000 }, true);
    await expect(drill.run()).rejects.toThrow("not permitted");
    expect(done).toEqual(["kill", "heal"]);
  });
});
