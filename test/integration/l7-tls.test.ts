import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import https from "node:https";
import { buffer } from "node:stream/consumers";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { Rig } from "#test/contract/engine/rig.ts";
import type { RigOptions } from "#test/contract/engine/rig.ts";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import type { TestCertificate } from "#test/support/certificate.ts";

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

interface Ask extends tls.ConnectionOptions {
  readonly host?: string;
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly body?: Buffer;
}

/** Asks over HTTPS; the certificate is not verified here. */
async function ask(
  rig: Rig,
  { host = "www.stream.test", headers, method, body, ...options }: Ask = {},
): Promise<Answer> {
  const request = https.request({
    host: "127.0.0.1",
    port: rig.address.split(":")[1],
    rejectUnauthorized: false,
    servername: "www.stream.test",
    agent: false,
    method,
    headers: { host, ...headers },
    ...options,
  });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const text = (await buffer(response)).toString("latin1");
  return { status: response.statusCode ?? 0, headers: response.headers, body: text };
}

/** The first name of the certificate that a client is shown. */
async function shownTo(rig: Rig, servername: string, options: tls.ConnectionOptions = {}): Promise<string> {
  const port = Number(rig.address.split(":")[1]);
  const socket = tls.connect({ host: "127.0.0.1", port, servername, rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

/** Reloads the config that the rig began with, but for its listeners. */
async function reload(rig: Rig, engine: RigOptions["engine"], listeners: readonly unknown[]): Promise<void> {
  const routes = [{ match: { path: "/*" }, pool: "main" }];
  const pools = { main: { endpoints: [{ address: rig.backend.address }] } };
  await rig.router.reload(l7RouterSchema.parse({ listeners, engine, node: "router-1", routes, pools }));
}

const site = makeCertificate("www.stream.test", "beta.stream.test");
const wild = makeCertificate("*.img.stream.test");
const alice = makeCertificate("alice");
const mallory = makeCertificate("mallory");

function withTls(engine: RigOptions["engine"], keys: Record<string, unknown> = {}, certificates?: TestCertificate[]) {
  const files = certificates?.map(certificateFiles);
  const address = "127.0.0.1:0";
  return { engine, config: { listeners: [{ address, tls: { ...(files && { certificates: files }), ...keys } }] } };
}

describe.each(["wire", "http-proxy"] as const)("HTTPS by the engine %s", (engine) => {
  it.each([
    ["www.stream.test", "www.stream.test"],
    ["BETA.stream.test", "www.stream.test"],
    ["cat.img.stream.test", "*.img.stream.test"],
    ["two.labels.img.stream.test", "www.stream.test"],
    ["unknown.test", "www.stream.test"],
  ])("shows a client that asks for %s the certificate of %s", async (name, shown) => {
    await using rig = await Rig.start(withTls(engine, {}, [site, wild]));
    expect(await shownTo(rig, name)).toBe(shown);
  });

  it("tells the server that the client came by https, and the browser to stay with it", async () => {
    const hsts = { maxAge: "1h", includeSubDomains: true };
    await using rig = await Rig.start(withTls(engine, { hsts }, [site]));
    const answer = await ask(rig, { headers: { "x-forwarded-proto": "http" } });
    expect([answer.status, answer.body]).toEqual([200, "ok"]);
    expect(answer.headers["strict-transport-security"]).toBe("max-age=3600; includeSubDomains");
    expect(rig.backend.requests[0]?.values("x-forwarded-proto")).toEqual(["https"]);
    expect(rig.backend.requests[0]?.values("forwarded")[0]).toContain("proto=https");
    const health = await ask(rig, { path: "/health" });
    expect(health.headers["strict-transport-security"]).toBe("max-age=3600; includeSubDomains");
  });

  it("sends a request away with 421 whose host has another certificate than the connection", async () => {
    await using rig = await Rig.start(withTls(engine, {}, [site, wild]));
    const away = await ask(rig, { host: "cat.img.stream.test" });
    expect([away.status, away.headers["x-watershed-reason"]]).toEqual([421, "MISDIRECTED"]);
    expect((await ask(rig, { host: "beta.stream.test" })).status).toBe(200);
    expect((await ask(rig, { servername: "", host: "cat.img.stream.test" })).status).toBe(200);
    expect(rig.backend.requests).toHaveLength(2);
  });

  it("refuses versions below minVersion, and counts it", async () => {
    await using rig = await Rig.start(withTls(engine, { minVersion: "TLSv1.3" }, [site]));
    await expect(shownTo(rig, "www.stream.test", { maxVersion: "TLSv1.2" })).rejects.toThrow(/alert|version/);
    expect(await shownTo(rig, "www.stream.test")).toBe("www.stream.test");
    expect(await rig.host.metrics.render()).toMatch(/^watershed_http_handshakes_failed_total\{.*\} 1$/m);
  });

  describe("certificates of clients", () => {
    const { cert: ca } = certificateFiles(alice);

    it("are required: their subject goes to the server, and nobody else's word for it", async () => {
      await using rig = await Rig.start(withTls(engine, { clientCertificates: { ca } }, [site]));
      await expect(ask(rig)).rejects.toThrow(/certificate required|socket hang up|ECONNRESET/);
      await expect(ask(rig, mallory)).rejects.toThrow(/alert|socket hang up|ECONNRESET/);
      const forged = { "x-client-cert-subject": "CN=root", "client-cert": ":AAAA:" };
      expect((await ask(rig, { ...alice, headers: forged })).status).toBe(200);
      const [request] = rig.backend.requests;
      expect(request?.values("x-client-cert-subject")).toEqual(["CN=alice"]);
      expect(request?.values("client-cert")).toEqual([`:${alice.cert.replace(/-----.*-----|\s/g, "")}:`]);
      expect(rig.backend.requests).toHaveLength(1);
    });

    it("are optional: who shows none, or another's, is served without a subject", async () => {
      await using rig = await Rig.start(withTls(engine, { clientCertificates: { ca, required: false } }, [site]));
      const forged = { "x-client-cert-subject": "CN=root" };
      for (const shown of [{}, mallory, alice])
        expect((await ask(rig, { ...shown, headers: forged })).status).toBe(200);
      const subjects = rig.backend.requests.map((request) => request.values("x-client-cert-subject"));
      expect(subjects).toEqual([[], [], ["CN=alice"]]);
    });
  });

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "lets nobody resume a session of %s whose certificate is no longer trusted",
    async (version) => {
      const { cert: ca } = certificateFiles(alice);
      const tlsKeys = { certificates: [certificateFiles(site)], clientCertificates: { ca, required: false } };
      const listeners = [{ address: "127.0.0.1:0", tls: tlsKeys }];
      await using rig = await Rig.start({ engine, config: { listeners } });
      const port = Number(rig.address.split(":")[1]);
      const options = { host: "127.0.0.1", port, servername: "www.stream.test", rejectUnauthorized: false, ...alice };
      const known = tls.connect({ ...options, maxVersion: version });
      known.write("GET / HTTP/1.1\r\nHost: www.stream.test\r\n\r\n");
      const [[session]] = (await Promise.all([once(known, "session"), once(known, "data")])) as [[Buffer], unknown];
      known.destroy();
      writeFileSync(ca, mallory.cert);
      await reload(rig, engine, listeners);
      const again = tls.connect({ ...options, maxVersion: version, session });
      again.write("GET / HTTP/1.1\r\nHost: www.stream.test\r\n\r\n");
      await once(again, "data");
      expect(again.isSessionReused()).toBe(false);
      again.destroy();
      const subjects = rig.backend.requests.map((request) => request.values("x-client-cert-subject"));
      expect(subjects).toEqual([["CN=alice"], []]);
    },
  );

  it("reloads certificates for new connections; open ones go on, and sessions are resumed", async () => {
    const files = certificateFiles(site);
    const listeners = [{ address: "127.0.0.1:0", tls: { certificates: [files], minVersion: "TLSv1.2" } }];
    await using rig = await Rig.start({ engine, config: { listeners } });
    const port = Number(rig.address.split(":")[1]);
    const options = { host: "127.0.0.1", port, servername: "www.stream.test", rejectUnauthorized: false };
    const open = tls.connect({ ...options, maxVersion: "TLSv1.2" });
    const [session] = (await once(open, "session")) as [Buffer];
    const renewed = makeCertificate("renewed.test");
    writeFileSync(files.cert, renewed.cert);
    writeFileSync(files.key, renewed.key);
    const config = { ...rig.router.status() };
    expect(config["listeners"]).toMatchObject([
      { tls: { certificates: [{ names: ["www.stream.test", "beta.stream.test"] }] } },
    ]);
    await reload(rig, engine, listeners);
    expect(await shownTo(rig, "www.stream.test")).toBe("renewed.test");
    open.write("GET / HTTP/1.1\r\nHost: www.stream.test\r\n\r\n");
    expect(String((await once(open, "data"))[0])).toMatch(/^HTTP\/1\.1 200 /);
    open.destroy();
    const again = tls.connect({ ...options, maxVersion: "TLSv1.2", session });
    await once(again, "secureConnect");
    expect(again.isSessionReused()).toBe(true);
    again.destroy();
  });

  it("refuses a reload with a certificate that cannot be read, and keeps what it has", async () => {
    await using rig = await Rig.start(withTls(engine, {}, [site]));
    const listeners = [
      { address: "127.0.0.1:0", tls: { certificates: [{ cert: "/no/such.crt", key: "/no/such.key" }] } },
    ];
    const pools = { main: { endpoints: [{ address: rig.backend.address }] } };
    const config = l7RouterSchema.parse({ listeners, engine, node: "router-1", routes: [], pools });
    await expect(rig.router.reload(config)).rejects.toThrow(
      "expected a certificate in PEM in /no/such.crt, got none: there is no such file",
    );
    expect((await ask(rig)).status).toBe(200);
  });

  it("makes a demo certificate where none is given, which says what it is", async () => {
    await using rig = await Rig.start(withTls(engine));
    expect(await shownTo(rig, "localhost")).toBe("Watershed demo certificate - do not trust");
    expect((await ask(rig)).status).toBe(200);
  });

  it.each([
    [443, "https://www.stream.test/a/b?c=d"],
    [8443, "https://www.stream.test:8443/a/b?c=d"],
  ])("sends plain requests to https at port %i", async (redirectToHttps, location) => {
    await using rig = await Rig.start({ engine, config: { listeners: [{ address: "127.0.0.1:0", redirectToHttps }] } });
    const client = await rig.client();
    client.send("POST /a/b?c=d HTTP/1.1\r\nHost: www.stream.test:8080\r\nContent-Length: 0\r\n\r\n");
    const answer = await client.answer();
    expect([answer.status, answer.header("location")]).toEqual([308, location]);
    expect(answer.header("x-watershed-reason")).toBe("REDIRECTED");
    client.send("GET / HTTP/1.0\r\n\r\n");
    expect((await client.answer()).status).toBe(400);
    expect(rig.backend.requests).toEqual([]);
  });

  it("carries 4 MB each way", async () => {
    const body = Buffer.alloc(4 * 1024 * 1024, "watershed ");
    const onRequest: NonNullable<NonNullable<RigOptions["scripts"]>[number]["onRequest"]> = ({ socket, body: got }) =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${got.length}\r\n\r\n${got}`, "latin1");
    await using rig = await Rig.start({ ...withTls(engine, {}, [site]), scripts: [{ onRequest }] });
    const answer = await ask(rig, { method: "POST", body });
    expect(Buffer.from(answer.body, "latin1").equals(body)).toBe(true);
  });

  it("never ends half an answer cleanly", async () => {
    const onRequest: NonNullable<NonNullable<RigOptions["scripts"]>[number]["onRequest"]> = ({ socket }) =>
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", () =>
        socket.resetAndDestroy(),
      );
    await using rig = await Rig.start({ ...withTls(engine, {}, [site]), scripts: [{ onRequest }] });
    await expect(ask(rig)).rejects.toThrow(/aborted|hang up/);
  });

  it("carries a WebSocket", async () => {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const { port } = server.address() as { port: number };
    const options = withTls(engine, {}, [site]);
    await using rig = await Rig.start({ ...options, endpoints: [`127.0.0.1:${port}`], scripts: [] });
    const client = new WebSocket(`wss://${rig.address}/`, [], {
      rejectUnauthorized: false,
      headers: { host: "www.stream.test" },
    });
    await once(client, "open");
    client.send("through TLS");
    expect(String((await once(client, "message"))[0])).toBe("through TLS");
    client.terminate();
    server.close();
  });

  it("cuts a client that does not get on with its handshake", async () => {
    const config = { ...withTls(engine, {}, [site]).config, timeouts: { head: "100ms" } };
    await using rig = await Rig.start({ engine, config });
    const client = await rig.client();
    client.send(Buffer.of(0x16, 0x03, 0x01));
    await client.ended;
  });
});
