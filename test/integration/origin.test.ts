import { once } from "node:events";
import { createSocket } from "node:dgram";
import http from "node:http";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { tlvUniqueId, writeProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { connect, socketAddress, startOrigin } from "#test/support/origin.ts";

const json = async (url: string, init?: RequestInit) => {
  const response = await fetch(url, init);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
};

/** Everything that comes until the other side is done; fails if the connection is reset. */
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("latin1");
}

describe("HTTP servers", () => {
  it("tell who answered, and what they saw of the request", async () => {
    await using origin = await startOrigin([{ name: "web-1", service: "web" }]);
    const { status, headers, body } = await json(origin.url("web-1", "/some/page?x=1&y=2"), {
      headers: { "x-forwarded-for": "127.49.0.7", "x-request-id": "r-1", via: "1.1 l7-1", cookie: "a=b" },
    });
    expect(status).toBe(200);
    expect(headers.get("x-origin-server")).toBe("web-1");
    expect(body).toMatchObject({
      server: "web-1",
      service: "web",
      zone: "eu-west-a",
      region: "eu-west",
      method: "GET",
      path: "/some/page",
      query: "x=1&y=2",
      client: { address: "127.0.0.1", port: expect.any(Number) },
      forwarded: { "x-forwarded-for": "127.49.0.7", "x-request-id": "r-1", via: "1.1 l7-1" },
      proxy: null,
    });
    expect(body["forwarded"]).not.toHaveProperty("cookie");
    expect(body).not.toHaveProperty("body");
  });

  it("answer health checks, and count them apart from requests", async () => {
    await using origin = await startOrigin([{ name: "api-1", service: "api" }]);
    expect(await json(origin.url("api-1", "/health"))).toMatchObject({ status: 200, body: { status: "ok" } });
    await json(origin.url("api-1", "/api/users"));
    expect((await origin.get("/servers/api-1")).body).toMatchObject({ requests: 1, state: "running" });
    expect(await origin.host.metrics.render()).toMatch(/watershed_origin_requests_total\{server="api-1".*\} 1/);
  });

  it("count the bytes of a body, sent whole or in chunks", async () => {
    await using origin = await startOrigin([{ name: "api-1", service: "api" }]);
    const url = origin.url("api-1", "/api/orders");
    const chunks = new ReadableStream({
      start(controller) {
        for (const text of ["ab", "cde"]) controller.enqueue(Buffer.from(text));
        controller.close();
      },
    });
    expect((await json(url, { method: "POST", body: "x".repeat(100_000) })).body).toMatchObject({
      method: "POST",
      body: { bytes: 100_000 },
    });
    const streamed = await json(url, { method: "POST", body: chunks, duplex: "half" });
    expect(streamed.body["body"]).toEqual({ bytes: 5 });
  });

  it("answer HEAD with the head of a GET alone", async () => {
    await using origin = await startOrigin([
      { name: "api-1", service: "api" },
      { name: "static-1", service: "static" },
    ]);
    for (const url of [origin.url("api-1", "/api/users"), origin.url("static-1", "/static/app.js")]) {
      const response = await fetch(url, { method: "HEAD" });
      expect(Number(response.headers.get("content-length"))).toBeGreaterThan(0);
      expect(await response.text()).toBe("");
    }
  });

  it("show the same facts as a page to browsers, markup escaped", async () => {
    await using origin = await startOrigin([{ name: "web-1", service: "web" }]);
    const headers = { accept: "text/html,*/*", "x-request-id": "<script>" };
    const page = await fetch(origin.url("web-1", "/"), { headers });
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const text = await page.text();
    expect(text).toContain("<h1>web-1</h1>");
    expect(text).not.toContain("<script>");
  });

  it("answer pipelined requests in order", async () => {
    await using origin = await startOrigin([{ name: "web-1", service: "web" }]);
    const socket = await connect(origin.addressOf("web-1"));
    socket.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    expect((await readAll(socket)).match(/"path":"\/."/g)).toEqual(['"path":"/a"', '"path":"/b"']);
  });

  it("refuse random bytes and go on", async () => {
    await using origin = await startOrigin([{ name: "web-1", service: "web" }]);
    const socket = await connect(origin.addressOf("web-1"));
    socket.write(Buffer.from([0, 255, 13, 10, 13, 10]));
    expect(await readAll(socket)).toContain("400 Bad Request");
    expect((await json(origin.url("web-1", "/health"))).status).toBe(200);
  });
});

describe("PROXY protocol", () => {
  const header = writeProxyHeader({
    version: "v2",
    command: "PROXY",
    source: { host: "127.11.0.1", port: 41_000 },
    destination: { host: "127.11.1.1", port: 7_002 },
    tlvs: [{ type: tlvUniqueId, value: Buffer.from("l4-1-17") }],
  });
  const request = "GET /api/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const servers = [{ name: "api-1", service: "api", proxyProtocol: { accept: "v2" } }] as const;
  const facts = {
    version: "v2",
    command: "PROXY",
    source: { address: "127.11.0.1", port: 41_000 },
    destination: { address: "127.11.1.1", port: 7_002 },
    uniqueId: "l4-1-17",
  };

  it.each([
    { name: "in one piece with the request", pieces: [Buffer.concat([header, Buffer.from(request)])] },
    { name: "before the request", pieces: [header, Buffer.from(request)] },
    { name: "cut in the middle", pieces: [header.subarray(0, 20), header.subarray(20), Buffer.from(request)] },
  ])("tells what the header said when it comes $name", async ({ pieces }) => {
    await using origin = await startOrigin(servers);
    const socket = await connect(origin.addressOf("api-1"));
    for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
    const answer = await readAll(socket);
    const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))) as Record<string, unknown>;
    expect(body).toMatchObject({ proxy: facts, client: { address: "127.0.0.1" } });
  });

  it("resets a connection without a header, and counts it", async () => {
    await using origin = await startOrigin(servers);
    const socket = await connect(origin.addressOf("api-1"));
    socket.write(request);
    await expect(readAll(socket)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect((await origin.get("/servers/api-1")).body).toMatchObject({ proxyHeadersRefused: 1, requests: 0 });
  });
});

describe("files", () => {
  const servers = [
    { name: "static-1", service: "static" },
    { name: "static-2", service: "static" },
  ];

  it("have the same bytes and tag on every server, others by path", async () => {
    await using origin = await startOrigin(servers);
    const [one, same, other] = await Promise.all([
      fetch(origin.url("static-1", "/images/poster.png")),
      fetch(origin.url("static-2", "/images/poster.png")),
      fetch(origin.url("static-1", "/images/other.png")),
    ]);
    expect(one.headers.get("content-type")).toBe("image/png");
    expect(one.headers.get("cache-control")).toBe("public, max-age=3600");
    const text = await one.text();
    expect(await same.text()).toBe(text);
    expect(same.headers.get("etag")).toBe(one.headers.get("etag"));
    expect(await other.text()).not.toBe(text);
  });

  it("are as long as asked for, up to 100 MiB", async () => {
    await using origin = await startOrigin(servers);
    const sizeOf = async (query: string) =>
      (await (await fetch(origin.url("static-1", `/static/a.js?${query}`))).arrayBuffer()).byteLength;
    expect(await sizeOf("bytes=0")).toBe(0);
    expect(await sizeOf("bytes=5000000")).toBe(5_000_000);
    expect((await json(origin.url("static-1", "/static/a.js?bytes=104857601"))).status).toBe(400);
    expect((await json(origin.url("static-1", "/static/a.js?bytes=-1"))).status).toBe(400);
  });

  it("are not sent again to whoever has them, and take no POST", async () => {
    await using origin = await startOrigin(servers);
    const url = origin.url("static-1", "/static/app.css");
    const tag = (await fetch(url)).headers.get("etag") ?? "";
    expect((await fetch(url, { headers: { "if-none-match": `"x", W/${tag}` } })).status).toBe(304);
    const refused = await json(url, { method: "POST", body: "x" });
    expect(refused.status).toBe(405);
    expect(refused.headers.get("allow")).toBe("GET, HEAD");
  });
});

describe("streams of the web servers", () => {
  const servers = [{ name: "web-1", service: "web" }];

  it("number server-sent events, from the one behind the last one seen on", async () => {
    await using origin = await startOrigin(servers);
    const stop = new AbortController();
    const headers = { "last-event-id": "41" };
    const events = await fetch(origin.url("web-1", "/events?every=10ms"), { headers, signal: stop.signal });
    expect(events.headers.get("content-type")).toBe("text/event-stream");
    let text = "";
    for await (const chunk of events.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes("id: 44\n")) break;
    }
    expect(text.match(/^id: \d+$/gm)?.slice(0, 3)).toEqual(["id: 42", "id: 43", "id: 44"]);
    stop.abort();
  });

  it("echo text, binary and pings of a WebSocket, large and fragmented ones too", async () => {
    await using origin = await startOrigin(servers);
    const client = new WebSocket(`ws://${origin.addressOf("web-1")}/ws`);
    await once(client, "open");
    const echo = async (send: () => void) => {
      send();
      const [data, isBinary] = (await once(client, "message")) as [Buffer, boolean];
      return isBinary ? data : data.toString();
    };
    expect(await echo(() => client.send("Grüße"))).toBe("Grüße");
    expect(await echo(() => client.send(Buffer.alloc(1_000_000, 7)))).toEqual(Buffer.alloc(1_000_000, 7));
    const fragments = () => {
      client.send("one ", { fin: false });
      client.send("two", { fin: true });
    };
    expect(await echo(fragments)).toBe("one two");
    client.ping("beat");
    expect(String((await once(client, "pong"))[0])).toBe("beat");
    client.close(4_000, "bye");
    expect((await once(client, "close"))[0]).toBe(4_000);
  });

  it("close a WebSocket that sends too large a frame", async () => {
    await using origin = await startOrigin(servers);
    const client = new WebSocket(`ws://${origin.addressOf("web-1")}/ws`);
    await once(client, "open");
    client.on("error", () => {});
    client.send(Buffer.alloc(1_048_577));
    await once(client, "close");
    expect((await json(origin.url("web-1", "/health"))).status).toBe(200);
  });

  it("answer an upgrade to anything else as a plain request", async () => {
    await using origin = await startOrigin(servers);
    const options = { ...socketAddress(origin.addressOf("web-1")), path: "/", agent: false };
    const request = http.get({ ...options, headers: { connection: "upgrade", upgrade: "h2c" } });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(response.statusCode).toBe(200);
    response.resume();
  });
});

describe("telemetry servers", () => {
  it("add up counters that come by UDP", async () => {
    await using origin = await startOrigin([{ name: "telemetry-1", service: "telemetry" }]);
    const { host, port } = socketAddress(origin.addressOf("telemetry-1"));
    const socket = createSocket("udp4");
    const counters = async () => (await origin.get("/servers/telemetry-1")).body["counters"];
    for (const line of ["play.start:1|c", "play.start:2|c\nplay.stop:1|c"]) {
      await new Promise((resolve) => socket.send(line, port, host, resolve));
    }
    await expect.poll(counters).toEqual({ "play.start": 3, "play.stop": 1 });
    socket.close();
  });
});
