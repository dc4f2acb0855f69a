import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Rig, head } from "#test/contract/engine/rig.ts";
import type { RigOptions } from "#test/contract/engine/rig.ts";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import { RawClient } from "#test/support/raw-client.ts";

const address = "127.0.0.1:0";
const get = head("GET / HTTP/1.1");

function denyFile(text: string): string {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "watershed-deny-")), "deny.txt");
  writeFileSync(file, text);
  return file;
}

/** Status and reason of an answer to one request from an address. */
async function ask(rig: Rig, from: string, request = get): Promise<[number, string | undefined]> {
  using client = await RawClient.connect(rig.address, { localAddress: from });
  client.send(request);
  const answer = await client.answer();
  return [answer.status, answer.header("x-watershed-reason")];
}

/** How a connection ends that is not to be: perhaps before the client knows that it was open. */
async function endOf(rig: Rig, from: string): Promise<string> {
  const client = await RawClient.connect(rig.address, { localAddress: from }).catch(() => undefined);
  return client ? client.ended : "reset";
}

/** Waits for an event of the router. */
function event(rig: Rig, type: string): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve) => {
    const stop = rig.host.events.subscribe((told) => {
      if (told.type !== type) return;
      stop();
      resolve(told.data);
    });
  });
}

describe.each(["wire", "http-proxy"] as const)("access by the engine %s", (engine) => {
  const start = (listener: Record<string, unknown>, more: Partial<RigOptions> = {}) =>
    Rig.start({ engine, listeners: [{ address, ...listener }], ...more });

  it("a listener answers denied clients 403 and ends; a health check passes", async () => {
    await using rig = await start({ deny: ["127.0.0.9"] });
    const client = await RawClient.connect(rig.address, { localAddress: "127.0.0.9" });
    client.send(head("GET /health HTTP/1.1"));
    expect((await client.answer()).status).toBe(200);
    client.send(get);
    const answer = await client.answer();
    expect([answer.status, answer.header("x-watershed-reason"), answer.header("connection")]).toEqual([
      403,
      "DENIED",
      "close",
    ]);
    expect(await client.ended).toBe("end");
    expect(await ask(rig, "127.0.0.8")).toEqual([200, undefined]);
    expect(rig.backend.requests).toHaveLength(1);
  });

  it("a listener may be for some clients alone", async () => {
    await using rig = await start({ allow: ["127.0.1.0/24"], deny: ["127.0.1.7"] });
    expect(await ask(rig, "127.0.1.1")).toEqual([200, undefined]);
    expect(await ask(rig, "127.0.1.7")).toEqual([403, "DENIED"]);
    expect(await ask(rig, "127.0.2.1")).toEqual([403, "DENIED"]);
  });

  it("the client is the one that a trusted proxy names", async () => {
    await using rig = await start({ deny: ["192.0.2.0/24"] }, { config: { trustedProxies: ["127.0.0.0/8"] } });
    expect(await ask(rig, "127.0.0.1", head("GET / HTTP/1.1", "X-Forwarded-For: 192.0.2.7"))).toEqual([403, "DENIED"]);
    expect(await ask(rig, "127.0.0.1", head("GET / HTTP/1.1", "X-Forwarded-For: 198.51.100.7"))).toEqual([
      200,
      undefined,
    ]);
  });

  it("a route has lists of its own, and its connection goes on", async () => {
    const routes = [
      { match: { path: "/admin/*" }, allow: ["127.0.3.0/24"], pool: "main" },
      { match: { path: "/*" }, denyFile: denyFile("127.0.4.1\n"), pool: "main" },
    ];
    await using rig = await start({}, { config: { routes } });
    const admin = head("GET /admin/x HTTP/1.1");
    expect(await ask(rig, "127.0.3.1", admin)).toEqual([200, undefined]);
    expect(await ask(rig, "127.0.4.1", get)).toEqual([403, "DENIED"]);
    const client = await rig.client();
    client.send(admin + get);
    expect((await client.answer()).status).toBe(403);
    expect((await client.answer()).status).toBe(200);
  });

  it("a deny file is read again when it changes: the next request of an open connection is answered 403", async () => {
    const file = denyFile("# nobody yet\n");
    await using rig = await start({ denyFile: file });
    const client = await RawClient.connect(rig.address, { localAddress: "127.0.0.9" });
    client.send(get);
    expect((await client.answer()).status).toBe(200);
    const read = event(rig, "deny_file_read");
    writeFileSync(file, "127.0.0.8/31\n");
    expect(await read).toEqual({ file, networks: 1 });
    client.send(get);
    expect((await client.answer()).status).toBe(403);
    expect(await client.ended).toBe("end");
    expect(rig.router.status()["denyFiles"]).toEqual([{ file, networks: 1, error: null }]);
  });

  it("a deny file that breaks is refused, and what it held stays", async () => {
    const file = denyFile("127.0.0.9\n");
    await using rig = await start({ denyFile: file });
    const refused = event(rig, "deny_file_refused");
    writeFileSync(file, "127.0.0.9\n127.0.0.300\n");
    expect((await refused)["error"]).toContain(`${file}:2:1: expected a network`);
    expect(await ask(rig, "127.0.0.9")).toEqual([403, "DENIED"]);
    const [status] = rig.router.status()["denyFiles"] as { networks: number; error: string }[];
    expect([status?.networks, status?.error]).toEqual([1, expect.stringContaining(":2:1:")]);
    expect(await rig.host.metrics.render()).toMatch(/^watershed_http_deny_file_refused\{.*\} 1$/m);
    await expect(rig.reload({ listeners: [{ address, denyFile: file }], routes: [], pools: {} })).rejects.toThrow(
      `${file}:2:1: expected a network`,
    );
    const read = event(rig, "deny_file_read");
    writeFileSync(file, "127.0.0.10\n");
    await read;
    expect(await ask(rig, "127.0.0.9")).toEqual([200, undefined]);
    expect(await rig.host.metrics.render()).toMatch(/^watershed_http_deny_file_refused\{.*\} 0$/m);
  });

  it("onDenied: close resets denied addresses before they say a word", async () => {
    await using rig = await start({ deny: ["127.0.0.9"], onDenied: "close" });
    expect(await endOf(rig, "127.0.0.9")).toBe("reset");
    expect(await ask(rig, "127.0.0.8")).toEqual([200, undefined]);
    expect(await rig.host.metrics.render()).toMatch(/^watershed_http_connections_refused_total\{by="list",.*\} 1$/m);
  });

  it.each([
    { onDenied: "close", scheme: "ws", goesOn: false },
    { onDenied: "close", scheme: "wss", goesOn: false },
    { onDenied: "refuse", scheme: "ws", goesOn: true },
  ])("an open $scheme of a client that is denied later with onDenied: $onDenied goes on: $goesOn", async (row) => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const { port } = server.address() as { port: number };
    const file = denyFile("");
    const secure = { tls: { certificates: [certificateFiles(makeCertificate("www.stream.test"))] } };
    await using rig = await start(
      { denyFile: file, onDenied: row.onDenied, ...(row.scheme === "wss" && secure) },
      { endpoints: [`127.0.0.1:${port}`], scripts: [] },
    );
    const open = async (localAddress: string) => {
      const options = { localAddress, rejectUnauthorized: false, headers: { host: "www.stream.test" } };
      const socket = new WebSocket(`${row.scheme}://${rig.address}/`, [], options);
      socket.on("error", () => {});
      await once(socket, "open");
      return socket;
    };
    const [denied, other] = [await open("127.0.0.9"), await open("127.0.0.8")];
    const closed = once(denied, "close");
    const read = event(rig, "deny_file_read");
    writeFileSync(file, "127.0.0.9\n");
    await read;
    if (!row.goesOn) await closed;
    for (const socket of row.goesOn ? [denied, other] : [other]) {
      socket.send("still here");
      expect(String((await once(socket, "message"))[0])).toBe("still here");
      socket.terminate();
    }
    server.close();
  });
});

describe.each(["wire", "http-proxy"] as const)("connection caps by the engine %s", (engine) => {
  const start = (limits: Record<string, unknown>, config: Record<string, unknown> = {}) =>
    Rig.start({ engine, config: { limits, ...config } });
  const from = (rig: Rig, localAddress: string) => RawClient.connect(rig.address, { localAddress });

  it("one connection too many of a client is told so with 429 and ends; others and health checks are served", async () => {
    await using rig = await start({ connectionsPerClient: 2 });
    const clients = [await from(rig, "127.0.0.9"), await from(rig, "127.0.0.9"), await from(rig, "127.0.0.9")];
    for (const client of clients.slice(0, 2)) client.send(get);
    for (const client of clients.slice(0, 2)) expect((await client.answer()).status).toBe(200);
    const [, , third] = clients;
    third?.send(head("GET /health HTTP/1.1"));
    expect((await third?.answer())?.status).toBe(200);
    third?.send(get);
    const answer = await third?.answer();
    expect([answer?.status, answer?.header("x-watershed-reason")]).toEqual([429, "LIMIT_REACHED"]);
    expect([answer?.header("retry-after"), answer?.header("connection")]).toEqual(["1", "close"]);
    expect(await third?.ended).toBe("end");
    expect(await ask(rig, "127.0.0.8")).toEqual([200, undefined]);
    for (const client of clients) client.socket.destroy();
    expect(rig.router.status()["clientConnections"]).toMatchObject({ open: expect.any(Number) as number });
    while ((await ask(rig, "127.0.0.9"))[0] !== 200); // As soon as the router has seen that they left.
  });

  it("connections far too many are reset", async () => {
    await using rig = await start({ connectionsPerClient: 1 });
    const clients = [];
    for (let i = 0; i < 17; i++) clients.push(await from(rig, "127.0.0.9"));
    expect(await endOf(rig, "127.0.0.9")).toBe("reset");
    expect(await rig.host.metrics.render()).toMatch(/^watershed_http_connections_refused_total\{by="client",.*\} 17$/m);
    for (const client of clients) client.socket.destroy();
  });

  it("connections of a trusted proxy are many clients'", async () => {
    await using rig = await start({ connectionsPerClient: 1 }, { trustedProxies: ["127.0.0.9"] });
    const clients = await Promise.all(Array.from({ length: 3 }, () => from(rig, "127.0.0.9")));
    for (const client of clients) client.send(get);
    for (const client of clients) expect((await client.answer()).status).toBe(200);
    for (const client of clients) client.socket.destroy();
  });

  it("one connection too many of all is told so with 503, also over TLS", async () => {
    const certificates = [certificateFiles(makeCertificate("www.stream.test"))];
    const listeners = [{ address, tls: { certificates, http2: false } }];
    await using rig = await start({ connections: 1 }, { listeners });
    const connect = async () => {
      const port = Number(rig.address.split(":")[1]);
      const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
      socket.write(get);
      return String((await once(socket, "data"))[0]);
    };
    expect(await connect()).toMatch(/^HTTP\/1\.1 200 /);
    expect(await connect()).toMatch(/^HTTP\/1\.1 503 [\s\S]*X-Watershed-Reason: LIMIT_REACHED/);
  });

  it("a cap that the file descriptors cannot keep is refused, at the start and by a reload", async () => {
    await expect(start({ connections: 1_000_000 })).rejects.toThrow(/^limits\.connections: 1000000 connections need/);
    await using rig = await start({});
    const limits = { connections: 1_000_000 };
    await expect(rig.reload({ limits, routes: [], pools: {} })).rejects.toThrow(/^limits\.connections: 1000000/);
    expect(await ask(rig, "127.0.0.9")).toEqual([200, undefined]);
  });

  it("a handshake too many is reset, and one too slow", async () => {
    const certificates = [certificateFiles(makeCertificate("www.stream.test"))];
    const listeners = [{ address, tls: { certificates, handshakes: 1, handshakeTimeout: "300ms" } }];
    await using rig = await Rig.start({ engine, listeners });
    const slow = await rig.client();
    expect(await endOf(rig, "127.0.0.9")).toBe("reset");
    expect(await rig.host.metrics.render()).toMatch(
      /^watershed_http_connections_refused_total\{by="handshakes",.*\} 1$/m,
    );
    await slow.ended;
    const port = Number(rig.address.split(":")[1]);
    const served = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
    await once(served, "secureConnect");
    served.destroy();
  });
});
