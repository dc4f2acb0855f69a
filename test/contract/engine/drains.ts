import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { cutAfterMsOf } from "#shared/server/admin-drain.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const half = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha";
const asking = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"];
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/** Half an answer, an answer that does not come, a WebSocket that echoes. */
const server: Script = {
  onHead({ line, socket }) {
    if (!line.includes("/live")) return false;
    socket.write(switching);
    socket.on("data", (chunk) => socket.write(chunk));
    return true;
  },
  onRequest({ line, socket }) {
    if (line.includes("/half")) socket.write(half);
    else if (!line.includes("/hang")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  },
};

/** What becomes of the work of an endpoint that drains. */
export function describeDrains(engine: EngineName): void {
  describe("an endpoint that drains", () => {
    const drain = (rig: Rig, query: string) => {
      const [pool] = rig.router.pools();
      const cutAfterMs = cutAfterMsOf("", new URLSearchParams(query));
      expect(pool?.setEndpointState(rig.backend.address, "draining", cutAfterMs)).toBe(true);
    };
    const whenEmpty = (rig: Rig) =>
      new Promise<unknown>((resolve) =>
        rig.host.events.subscribe(({ type, data }) => type === "endpoint_empty" && resolve(data["endpoint"])),
      );
    /** One client within an answer, one within a WebSocket. */
    const start = async (rig: Rig) => {
      const [within, live] = [await rig.client(), await rig.client()];
      within.send(head("GET /half HTTP/1.1"));
      await within.through("ha");
      live.send(head("GET /live HTTP/1.1", ...asking));
      await live.answer();
      live.send("ping");
      await live.through("ping");
      return { within, live };
    };

    it("keeps what is under way by default, and tells when it is empty", async () => {
      await using rig = await Rig.start({ engine, scripts: [server] });
      const { within, live } = await start(rig);
      const empty = whenEmpty(rig);
      drain(rig, "");
      const late = await rig.client();
      late.send(head("GET / HTTP/1.1"));
      expect((await late.answer()).header("x-watershed-reason")).toBe("NO_HEALTHY");
      live.send("still here");
      await live.through("still here");
      rig.backend.requests.find(({ line }) => line.includes("/half"))?.socket.write("lf");
      await within.through("lf");
      live.socket.destroy();
      expect(await empty).toBe(rig.backend.address);
      expect(rig.router.status()).toMatchObject({ activeRequests: 0 });
    });

    it.each(["onDrain=reset", "finishWithin=30ms"])("cuts what is left with %s", async (query) => {
      await using rig = await Rig.start({ engine, scripts: [server] });
      const { within, live } = await start(rig);
      const empty = whenEmpty(rig);
      drain(rig, query);
      expect(await Promise.all([within.ended, live.ended])).toEqual(["reset", "reset"]);
      expect(await empty).toBe(rig.backend.address);
    });

    it("that is cut sends a safe request on to another, and answers 502 to one that is not", async () => {
      await using rig = await Rig.start({ engine, scripts: [server, {}] });
      const [other] = rig.backends.slice(1);
      const backup = { address: other?.address, backup: true };
      const pools = { main: { endpoints: [{ address: rig.backend.address }, backup] } };
      await rig.reload({ routes: [{ match: {}, pool: "main" }], pools });
      const [safe, unsafe] = [await rig.client(), await rig.client()];
      safe.send(head("GET /hang HTTP/1.1"));
      unsafe.send(head("POST /hang HTTP/1.1", "Content-Length: 1") + "x");
      await rig.backend.until(() => rig.backend.requests.length === 2);
      drain(rig, "onDrain=reset");
      expect((await safe.answer()).body).toBe("ok");
      expect((await unsafe.answer()).header("x-watershed-reason")).toBe("UPSTREAM_RESET");
      expect(other?.requests.map(({ line }) => line)).toEqual(["GET /hang HTTP/1.1"]);
    });

    it("that comes back in time is not cut", async () => {
      await using rig = await Rig.start({ engine, scripts: [server] });
      const { live } = await start(rig);
      const [pool] = rig.router.pools();
      drain(rig, "finishWithin=30ms");
      pool?.setEndpointState(rig.backend.address, "enabled");
      const over = Promise.withResolvers<void>();
      rig.host.clock.after(60, over.resolve);
      await over.promise;
      live.send("still here");
      await live.through("still here");
    });
  });
}
