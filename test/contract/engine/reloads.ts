import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import { Rig, head } from "./rig.ts";

const clients = 8;
const reloads = 100;

/** A reload, and nothing that is under way notices. */
export function describeReloads(engine: EngineName): void {
  describe("reloads under load", () => {
    it(`${reloads} of config and certificates lose no request, leave a WebSocket alone and keep live counts`, async () => {
      const sockets = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      await once(sockets, "listening");
      sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
      const live = `127.0.0.1:${(sockets.address() as AddressInfo).port}`;
      const pairs = [makeCertificate("one.test"), makeCertificate("two.test")] as const;
      const site = certificateFiles(pairs[0]);
      await using rig = await Rig.start({
        engine,
        scripts: [{}, {}],
        listeners: [{ address: "127.0.0.1:0" }, { address: "127.0.0.2:0", tls: { certificates: [site] } }],
      });
      const configOf = (round: number) => ({
        routes: [
          { match: { path: "/live" }, pool: "live" },
          ...Array.from({ length: round % 5 }, (_, i) => ({ match: { path: `/${i}` }, pool: "live" })),
          { match: {}, pool: round % 2 === 0 ? "main" : `main-${round}` },
        ],
        pools: {
          live: { endpoints: [{ address: live }], balance: "least-connections" },
          [round % 2 === 0 ? "main" : `main-${round}`]: {
            endpoints: rig.backends.map(({ address }, i) => ({ address, weight: 1 + ((round + i) % 3) })),
          },
        },
      });
      await rig.reload(configOf(0));
      const socket = new WebSocket(`ws://${rig.address}/live`);
      await once(socket, "open");
      let isOver = false;
      let answered = 0;
      const failed: number[] = [];
      const ask = async () => {
        const client = await rig.client();
        while (!isOver) {
          client.send(head("GET /x HTTP/1.1"));
          const { status, header } = await client.answer();
          answered++;
          if (status !== 200) failed.push(status);
          if (header("connection") === "close") failed.push(0); // A kept-alive connection stays.
        }
      };
      const asking = Promise.all(Array.from({ length: clients }, ask));
      for (let round = 1; round <= reloads; round++) {
        const { cert, key } = pairs[round % 2] ?? pairs[0];
        writeFileSync(site.cert, cert);
        writeFileSync(site.key, key);
        const before = answered;
        await rig.reload(configOf(round));
        if (round % 10 === 5)
          await expect(rig.reload({ ...configOf(round + 1), accessLog: { to: "/none/log" } })).rejects.toThrow(
            "/none/log",
          );
        while (answered === before) await new Promise((resolve) => setImmediate(resolve));
      }
      isOver = true;
      await asking;
      expect(failed).toEqual([]);
      expect(answered).toBeGreaterThanOrEqual(reloads);
      expect(rig.router.status()).toMatchObject({
        upstreamConnections: { live: 1 },
        listeners: [{}, { tls: { certificates: [{ names: [reloads % 2 === 0 ? "one.test" : "two.test"] }] } }],
      });
      expect([...rig.router.pools()].find(({ name }) => name === "live")?.status().endpoints).toMatchObject([
        { active: 1 },
      ]);
      socket.send("still here");
      expect(String((await once(socket, "message"))[0])).toBe("still here");
      socket.terminate();
      sockets.close();
    });
  });
}
