import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { healthSchema } from "#shared/config/schema/common.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import { readProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { CheckTarget } from "./check.ts";
import { checks } from "./checks.ts";

const config = healthSchema.parse({ type: "http", path: "/health", timeout: "5s" });
const soon = () => AbortSignal.timeout(5_000);
const never = new AbortController().signal;

/** A server that says `reply` once it has read a whole request head. */
function answering(reply: string | Buffer, onRequest: (request: Buffer) => void = () => {}): Promise<TcpListener> {
  return listening((socket) => {
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (!received.includes("\r\n\r\n")) return;
      onRequest(received);
      socket.write(reply);
    });
  });
}

function listening(onConnection: (socket: Socket) => void): Promise<TcpListener> {
  return listenTcp({
    address: "127.0.0.1:0",
    onConnection(socket) {
      socket.on("error", () => {});
      onConnection(socket);
    },
  });
}

function targetOf(listener: TcpListener): CheckTarget {
  const target = parseSocketAddress(listener.address);
  if (!target) throw new Error(`${listener.address} is no address`);
  return target;
}

const { exec: _, udp: __, ...connecting } = checks; // These two have suites of their own.

describe("every check that connects", () => {
  for (const [type, check] of Object.entries(connecting)) {
    it(`${type}: says CHECK_REFUSED where nobody listens`, async () => {
      const listener = await listening(() => {});
      await listener.close();
      expect(await check(targetOf(listener), config, soon())).toMatchObject({ passed: false, reason: "CHECK_REFUSED" });
    });

    it(`${type}: says that it is inconclusive where this machine itself lacks something`, async () => {
      await using listener = await listening(() => {});
      const target = { ...targetOf(listener), localAddress: "192.0.2.1" };
      const inconclusive = { passed: false, reason: "CHECK_FAILED", inconclusive: true };
      expect(await check(target, config, soon())).toMatchObject(inconclusive);
    });

    it(`${type}: says CHECK_TIMEOUT when its time is over before it began`, async () => {
      await using listener = await listening(() => {});
      const result = await check(targetOf(listener), config, AbortSignal.abort());
      expect(result).toMatchObject({ passed: false, reason: "CHECK_TIMEOUT" });
    });

    it(`${type}: comes from the node's own address`, async () => {
      const from = Promise.withResolvers<string | undefined>();
      await using listener = await listening((socket) => {
        from.resolve(socket.remoteAddress);
        socket.end("HTTP/1.1 200 OK\r\n\r\n");
      });
      const target = { ...targetOf(listener), localAddress: "127.77.0.5" };
      expect(await check(target, config, soon())).toMatchObject({ passed: true });
      expect(await from.promise).toBe("127.77.0.5");
    });

    for (const version of ["v1", "v2"] as const)
      it(`${type}: begins with a PROXY LOCAL header, ${version}`, async () => {
        const bytes = Promise.withResolvers<Buffer>();
        await using listener = await listening((socket) => {
          socket.once("data", bytes.resolve);
          socket.on("data", () => void socket.end("HTTP/1.1 200 OK\r\n\r\n"));
        });
        const target = { ...targetOf(listener), proxyProtocol: version };
        expect(await check(target, config, soon())).toMatchObject({ passed: true });
        const read = readProxyHeader(await bytes.promise, version);
        expect(read).toMatchObject({ state: "done", header: { version, command: "LOCAL" } });
      });
  }
});

describe("tcp check", () => {
  it("passes on a connect, though the server never says a word", async () => {
    await using listener = await listening(() => {});
    expect(await checks.tcp(targetOf(listener), config, soon())).toEqual({
      passed: true,
      reason: "OK",
      detail: "connected",
    });
  });
});

describe("http check", () => {
  const passed = { passed: true, reason: "OK" };
  const failed = { passed: false, reason: "CHECK_FAILED" };
  it.each([
    { name: "an expected status passes", reply: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", result: passed },
    { name: "HTTP/1.0 and no reason phrase pass", reply: "HTTP/1.0 200\r\n\r\n", result: passed },
    { name: "bare line feeds pass", reply: "HTTP/1.1 200 OK\nServer: old\n\n", result: passed },
    {
      name: "interim answers are passed over",
      reply: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
      result: passed,
    },
    {
      name: "another status says CHECK_STATUS",
      reply: "HTTP/1.1 500 Oh\r\n\r\n",
      result: { passed: false, reason: "CHECK_STATUS", detail: "status 500" },
    },
    {
      name: "503 alone says CHECK_STATUS",
      reply: "HTTP/1.1 503 No\r\n\r\n",
      result: { passed: false, reason: "CHECK_STATUS", detail: "status 503" },
    },
    {
      name: "503 with the reason DRAINING is definitive",
      reply: "HTTP/1.1 503 No\r\nx-watershed-reason: DRAINING\r\n\r\n",
      result: { passed: false, reason: "DRAINING", definitive: true },
    },
    {
      name: "503 with another reason is not",
      reply: "HTTP/1.1 503 No\r\nX-Watershed-Reason: NO_HEALTHY\r\n\r\n",
      result: { passed: false, reason: "CHECK_STATUS" },
    },
    { name: "another protocol fails", reply: "SSH-2.0-OpenSSH_9.2\r\n\r\n", result: failed },
    { name: "a status of two digits fails", reply: "HTTP/1.1 20 OK\r\n\r\n", result: failed },
    {
      name: "random bytes fail",
      reply: Buffer.from(Array.from({ length: 400 }, (_, i) => (i * 197) % 256)).toString("latin1") + "\n\n",
      result: failed,
    },
    {
      name: "a head without an end fails at 16 KiB",
      reply: `HTTP/1.1 200 OK\r\nX: ${"a".repeat(20_000)}`,
      result: { ...failed, detail: "head over 16384 bytes" },
    },
  ])("$name", async ({ reply, result }) => {
    await using listener = await answering(Buffer.from(reply, "latin1"));
    expect(await checks.http(targetOf(listener), config, soon())).toMatchObject(result);
  });

  it("takes 503 with the reason DRAINING for any 503 where it may be another's word", async () => {
    await using listener = await answering("HTTP/1.1 503 No\r\nX-Watershed-Reason: DRAINING\r\n\r\n");
    expect(await checks.http(targetOf(listener), { ...config, drainingCounts: false }, soon())).toEqual({
      passed: false,
      reason: "CHECK_STATUS",
      detail: "status 503",
    });
  });

  it("asks for the path with the host it was told", async () => {
    const request = Promise.withResolvers<Buffer>();
    await using listener = await answering("HTTP/1.1 200 OK\r\n\r\n", request.resolve);
    await checks.http(targetOf(listener), { ...config, path: "/ready", host: "web.test" }, soon());
    const [line, ...headers] = String(await request.promise).split("\r\n");
    expect(line).toBe("GET /ready HTTP/1.1");
    expect(headers).toEqual(
      expect.arrayContaining(["Host: web.test", "User-Agent: watershed-health", "Connection: close"]),
    );
  });

  it("passes on any status that it was told to expect", async () => {
    await using listener = await answering("HTTP/1.1 204 No Content\r\n\r\n");
    expect(await checks.http(targetOf(listener), { ...config, expectStatus: [200, 204] }, soon())).toMatchObject(
      passed,
    );
  });

  it("says CHECK_TIMEOUT when a server takes the request and hangs, and lets go of the connection", async () => {
    const gone = Promise.withResolvers<void>();
    const outOfTime = new AbortController();
    await using listener = await listening((socket) => {
      socket.once("data", () => outOfTime.abort());
      socket.on("close", () => gone.resolve());
    });
    expect(await checks.http(targetOf(listener), config, outOfTime.signal)).toMatchObject({ reason: "CHECK_TIMEOUT" });
    await gone.promise;
  });

  it("says CHECK_TIMEOUT when the head trickles in too slowly", async () => {
    const outOfTime = new AbortController();
    await using listener = await answering("HTTP/1.1 200 OK\r\nX-", () => void setImmediate(() => outOfTime.abort()));
    expect(await checks.http(targetOf(listener), config, outOfTime.signal)).toMatchObject({ reason: "CHECK_TIMEOUT" });
  });

  it.each([
    { name: "ends", end: (socket: Socket) => void socket.end("HTTP/1.1 200") },
    { name: "resets", end: (socket: Socket) => void socket.resetAndDestroy() },
  ])("fails when the server $name before a whole answer", async ({ end }) => {
    await using listener = await listening((socket) => void socket.once("data", () => end(socket)));
    expect(await checks.http(targetOf(listener), config, never)).toMatchObject(failed);
  });
});

describe("http check with an expected text in the body", () => {
  const wanting = { ...config, expectBody: "all göod" };
  const ok = "HTTP/1.1 200 OK\r\n";
  const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
  const passed = { passed: true, reason: "OK", detail: "status 200" };
  const missing = {
    passed: false,
    reason: "CHECK_FAILED",
    detail: "status 200, but the expected text is not in the body",
  };
  it.each([
    { name: "in a body of known length", reply: `${ok}Content-Length: 12\r\n\r\nx all göod y`, result: passed },
    { name: "in chunks that part it", reply: `${chunked}4;a=b\r\nall \r\n5\r\ngöod\r\n0\r\n\r\n`, result: passed },
    { name: "before the end of the body", reply: `${ok}Content-Length: 1000\r\n\r\nall göod`, result: passed },
    { name: "not in the body", reply: `${ok}Content-Length: 3\r\n\r\nbad all göod`, result: missing },
    { name: "in the size of a chunk alone", reply: `${chunked}3;all göod\r\nbad\r\n0\r\n\r\n`, result: missing },
    { name: "behind the last chunk", reply: `${chunked}0\r\nall göod\r\n`, result: missing },
    { name: "behind what is no chunk", reply: `${chunked}all göod\r\n`, result: missing },
    { name: "behind the first 64 KiB", reply: `${ok}\r\n${"x".repeat(65_536)}all göod`, result: missing },
    {
      name: "with another status",
      reply: "HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nall göod",
      result: { passed: false, reason: "CHECK_STATUS", detail: "status 500" },
    },
  ])("$name", async ({ reply, result }) => {
    await using listener = await answering(Buffer.from(reply));
    expect(await checks.http(targetOf(listener), wanting, soon())).toEqual(result);
  });

  it("reads a body without a length to its end", async () => {
    const ending = (body: string) =>
      listening((socket) => void socket.once("data", () => socket.end(`${ok}\r\n${body}`)));
    await using good = await ending("all göod");
    await using bad = await ending("all bad");
    expect(await checks.http(targetOf(good), wanting, soon())).toEqual(passed);
    expect(await checks.http(targetOf(bad), wanting, soon())).toEqual(missing);
  });

  it("says CHECK_TIMEOUT when the rest of the body does not come", async () => {
    const outOfTime = new AbortController();
    await using listener = await answering(`${ok}Content-Length: 99\r\n\r\nall`, () => {
      setImmediate(() => outOfTime.abort());
    });
    expect(await checks.http(targetOf(listener), wanting, outOfTime.signal)).toMatchObject({ reason: "CHECK_TIMEOUT" });
  });
});
