import { describe, expect, it } from "vitest";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import type { L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import { EventLog } from "#shared/observe/events.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { testHost } from "#test/support/host.ts";
import { testPool } from "#test/support/pool.ts";
import { TcpServer, connect, nextEvent, refusal } from "#test/support/tcp.ts";
import { ForwardListener } from "./listener.ts";

const server = "127.0.0.1:9"; // never dialled: the tests below only listen

function listenerConfig(address: string): L4ListenerConfig {
  const pools = { web: { endpoints: [{ address: server }] } };
  const [listener] = l4ForwarderSchema.parse({ listeners: [{ address, pool: "web" }], pools }).listeners;
  if (!listener) throw new Error("one listener was asked for");
  return listener;
}

function testListener(address = "127.0.0.1:0") {
  const { pool } = testPool({ endpoints: [{ address: server }] });
  const clock = new FakeClock();
  const events = new EventLog();
  const host = testHost({ clock, events });
  const accepted: number[] = [];
  const listener = new ForwardListener({
    host,
    pool,
    config: listenerConfig(address),
    listen: (at, own) =>
      listenTcp({
        address: at,
        onConnection(socket) {
          accepted.push(socket.localPort ?? 0);
          own.countActive(1);
          socket.on("error", () => {}).on("close", () => own.countActive(-1));
        },
      }),
  });
  return { pool, clock, events, listener, accepted };
}

describe("a listener", () => {
  it("closes when nobody is eligible, and opens again at the same address", async () => {
    const { pool, events, listener, accepted } = testListener();
    await listener.bind();
    const { address } = listener;
    expect(listener).toMatchObject({ isOpen: true, reason: "OK" });
    for (let i = 0; i < 3; i++) {
      const closing = nextEvent(events, "listener_closed");
      pool.setEndpointState(server, "draining");
      expect(await closing).toEqual({ listener: address, pool: "web", reason: "NO_HEALTHY" });
      expect(await refusal(address)).toBe("ECONNREFUSED");
      const opening = nextEvent(events, "listener_open");
      pool.setEndpointState(server, "enabled");
      expect(await opening).toEqual({ listener: address, pool: "web", reason: "OK" });
      expect(await refusal(address)).toBe("");
    }
    expect(accepted).toHaveLength(3);
    await listener.stop();
  });

  it("ends as its pool says after any number of changes at once", async () => {
    const { pool, listener } = testListener();
    await listener.bind();
    for (let i = 0; i < 5; i++) {
      pool.setEndpointState(server, "draining");
      pool.setEndpointState(server, "enabled");
    }
    pool.setEndpointState(server, "draining");
    await listener.reconfigure(listener.config, pool);
    expect(listener.isOpen).toBe(false);
    expect(await refusal(listener.address)).toBe("ECONNREFUSED");
    await listener.stop();
  });

  it("counts what is under way, also while it is closed", async () => {
    const { pool, events, listener } = testListener();
    await listener.bind();
    const client = await connect(listener.address);
    const closing = nextEvent(events, "listener_closed");
    pool.setEndpointState(server, "disabled");
    await closing;
    expect(listener.active).toBe(1);
    client.resetAndDestroy();
    await listener.stop();
  });

  it("says NO_ENDPOINT for an empty pool, and DRAINING once it is stopped", async () => {
    const { pool, listener } = testListener();
    await listener.bind();
    pool.update({ ...pool.config, endpoints: [] });
    await listener.reconfigure(listener.config, pool);
    expect(listener).toMatchObject({ isOpen: false, reason: "NO_ENDPOINT" });
    await listener.stop();
    expect(listener.reason).toBe("DRAINING");
  });

  it("tries again when somebody took its port while it was closed", async () => {
    const { pool, clock, events, listener } = testListener();
    await listener.bind();
    const closing = nextEvent(events, "listener_closed");
    pool.setEndpointState(server, "draining");
    await closing;
    const thief = await TcpServer.at(listener.address, (socket) => socket.destroy());
    pool.setEndpointState(server, "enabled");
    await listener.reconfigure(listener.config, pool);
    expect(listener).toMatchObject({ isOpen: false, reason: "STARTING" });
    await thief[Symbol.asyncDispose]();
    const opening = nextEvent(events, "listener_open");
    await clock.advance(1_000);
    await opening;
    expect(listener.isOpen).toBe(true);
    await listener.stop();
  });

  it("does not bind an address that is taken, and says which", async () => {
    const { listener: first } = testListener();
    await first.bind();
    const { listener: second } = testListener(first.address);
    await expect(second.bind()).rejects.toThrow(first.address);
    await second.stop();
    await first.stop();
  });
});
