import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { TestForwarder } from "#test/support/forwarder.ts";

// A thread of its own, because the test blocks this one. It tells of every request, and answers while that is news.
const server = `
  import { createServer } from "node:http";
  import { parentPort } from "node:worker_threads";
  const server = createServer((request, response) => {
    parentPort.postMessage("request");
    setTimeout(() => response.end("ok"), 50);
  });
  server.listen(0, "127.66.4.5", () => parentPort.postMessage(server.address().port));
`;

describe("a node whose own event loop is blocked", () => {
  it("takes no healthy server out", async () => {
    await using worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(server)}`));
    const [port] = (await once(worker, "message")) as [number];
    await using forwarder = await TestForwarder.start({
      listeners: [{ address: "127.66.4.5:0", pool: "web" }],
      pools: {
        web: {
          endpoints: [{ address: `127.66.4.5:${port}` }],
          health: { type: "http", interval: "100ms", timeout: "200ms", fall: 1, rise: 1 },
        },
      },
    });
    const [pool] = forwarder.service.pools();
    await pool?.firstRound;
    for (let i = 0; i < 3; i++) {
      await once(worker, "message"); // A check is under way.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
      await once(worker, "message"); // The next has begun: that one has been judged.
    }
    const types = forwarder.events.since(0).map(({ type }) => type);
    expect(types).toContain("endpoint_up");
    expect(types).not.toContain("endpoint_down");
  });
});
