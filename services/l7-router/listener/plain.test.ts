import { describe, expect, it } from "vitest";
import type { Downstream } from "#l7-router/downstream.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { RawClient } from "#test/support/raw-client.ts";
import { linger } from "./end.ts";
import { PlainListener } from "./plain.ts";

const huge = "x".repeat(20_000_000); // more than the kernel holds for a client

describe("a client that stays", () => {
  for (const start of ["GET / HTTP/1.1", "CONNECT a:1 HTTP/1.1"]) {
    it(`but does not take the answer to ${start} is cut at the idle limit`, async () => {
      const served = Promise.withResolvers<Downstream>();
      const listener = new PlainListener({
        address: "127.0.0.1:0",
        limits: { headerBytes: 16_384, headMs: 10_000, idleMs: 50 },
        serve: async (downstream) => {
          downstream.send(200, ["Content-Length", String(huge.length)], huge, false);
          served.resolve(downstream);
        },
        onRefused: () => {},
      });
      await listener.listen();
      using client = await RawClient.connect(listener.address);
      client.socket.pause();
      client.send(`${start}\r\nHost: a\r\n\r\n`);
      const downstream = await served.promise;
      await downstream.closed;
      expect(downstream.socket.destroyed).toBe(true);
      await listener.close();
    });
  }

  it("after the end of its answer is cut when it has had its time", async () => {
    const closed = Promise.withResolvers<void>();
    await using listener = await listenTcp({
      address: "127.0.0.1:0",
      allowHalfOpen: true,
      onConnection: (socket) => {
        socket.on("error", () => {});
        socket.once("close", () => closed.resolve());
        linger(socket, 50);
      },
    });
    using client = await RawClient.connect(listener.address);
    client.send("still here");
    expect(await client.ended).toBe("end");
    await closed.promise;
  });
});
