import type net from "node:net";
import { describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { requestHttp } from "./http-client.ts";
import type { HttpAnswer } from "./http-client.ts";

/** Sends one request to a server that does `answer` once the head has come. */
async function ask(answer: (socket: net.Socket, head: string) => void, timeoutMs = 10_000): Promise<HttpAnswer> {
  await using listener = await listenTcp({
    address: "127.0.0.1:0",
    onConnection: (socket) => {
      let got = "";
      socket.on("error", () => {});
      socket.on("data", (chunk) => {
        got += chunk.toString("latin1");
        if (got.includes("\r\n\r\n")) answer(socket, got);
      });
    },
  });
  return await requestHttp({
    ...parseSocketAddress(listener.address)!,
    method: "GET",
    target: "/a?b=c",
    headers: [
      ["Host", "www.stream.test"],
      ["Connection", "close"],
    ],
    localAddress: "127.49.0.7",
    connectTimeoutMs: 10_000,
    timeoutMs,
    bodyKeptBytesMax: 4,
  });
}

describe("a request", () => {
  it("is sent as it was given, from the client's address, and its body is counted whole and kept in part", async () => {
    let head = "";
    let from: string | undefined;
    const answer = await ask((socket, got) => {
      head = got;
      from = socket.remoteAddress;
      socket.end("HTTP/1.1 404 Not Found\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 7\r\n\r\nabcdefg");
    });
    expect(head).toBe("GET /a?b=c HTTP/1.1\r\nHost: www.stream.test\r\nConnection: close\r\n\r\n");
    expect(from).toBe("127.49.0.7");
    expect(answer).toMatchObject({ status: 404, bodyBytes: 7, complete: true });
    expect(answer.body.toString()).toBe("abcd");
    expect(answer.headers.slice(0, 2)).toEqual([
      ["X-A", "1"],
      ["x-a", "2"],
    ]);
  });

  it("says that a body was cut", async () => {
    const answer = await ask((socket) => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nab"));
    expect(answer).toMatchObject({ status: 200, bodyBytes: 2, complete: false });
  });

  it.each([
    { name: "a reset", answer: (socket: net.Socket) => void socket.resetAndDestroy(), reason: "UPSTREAM_RESET" },
    { name: "a clean close", answer: (socket: net.Socket) => void socket.end(), reason: "UPSTREAM_RESET" },
    {
      name: "something that is not HTTP",
      answer: (socket: net.Socket) => void socket.end("\u0000\u0001\r\n\r\n"),
      reason: "UPSTREAM_INVALID",
    },
  ])("$name before an answer is $reason and not retryable", async ({ answer, reason }) => {
    await expect(ask(answer)).rejects.toMatchObject({ reason, retryable: false });
  });

  it("times out where no answer comes", async () => {
    await expect(ask(() => {}, 50)).rejects.toMatchObject({ reason: "TIMEOUT", retryable: false });
  });
});
