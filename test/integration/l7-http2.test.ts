import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Rig } from "#test/contract/engine/rig.ts";
import type { RigOptions } from "#test/contract/engine/rig.ts";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import { Http2Client } from "#test/support/http2-client.ts";
import { hasClient } from "#test/support/real-clients.ts";

const run = promisify(execFile);
const site = certificateFiles(makeCertificate("www.stream.test", "localhost"));
const other = certificateFiles(makeCertificate("img.stream.test"));

function withTls(engine: RigOptions["engine"], keys: Record<string, unknown> = {}): RigOptions {
  return { engine, config: { listeners: [{ address: "127.0.0.1:0", tls: { certificates: [site, other], ...keys } }] } };
}

/** What a client that offers these protocols gets. */
async function protocolOf(rig: Rig, ALPNProtocols?: string[]): Promise<string | false | null> {
  const port = Number(rig.address.split(":")[1]);
  const options = { host: "127.0.0.1", port, rejectUnauthorized: false, ...(ALPNProtocols && { ALPNProtocols }) };
  const socket = tls.connect(options);
  await once(socket, "secureConnect");
  const { alpnProtocol } = socket;
  socket.destroy();
  return alpnProtocol;
}

describe.each(["wire", "http-proxy"] as const)("HTTPS by HTTP/2 before the engine %s", (engine) => {
  it.each([
    [["h2"], "h2"],
    [["h2", "http/1.1"], "h2"],
    [["http/1.1", "h2"], "h2"],
    [["http/1.1"], "http/1.1"],
    [undefined, false],
  ])("one port serves both: who offers %j gets %s", async (offered, taken) => {
    await using rig = await Rig.start(withTls(engine));
    expect(await protocolOf(rig, offered)).toBe(taken);
  });

  it("a client that offers neither is refused in the handshake", async () => {
    await using rig = await Rig.start(withTls(engine));
    await expect(protocolOf(rig, ["spdy/3"])).rejects.toThrow(/no application protocol/);
  });

  it("`http2: false` offers HTTP/1.1 alone", async () => {
    await using rig = await Rig.start(withTls(engine, { http2: false }));
    expect(await protocolOf(rig, ["h2", "http/1.1"])).toBe("http/1.1");
  });

  it("tells the server https, the browser to stay with it, and sends misdirected requests away", async () => {
    await using rig = await Rig.start(withTls(engine, { hsts: { maxAge: "1h" } }));
    using client = await Http2Client.connect(rig.address, {});
    const answer = await client.ask({ lines: ["x-forwarded-proto", "http"] });
    expect([answer.status, answer.values("strict-transport-security")]).toEqual([200, ["max-age=3600"]]);
    expect(rig.backend.requests[0]?.values("x-forwarded-proto")).toEqual(["https"]);
    expect(rig.backend.requests[0]?.values("forwarded")[0]).toContain("proto=https");
    const away = await client.ask({ authority: "img.stream.test" });
    expect([away.status, away.values("x-watershed-reason")]).toEqual([421, ["MISDIRECTED"]]);
    expect((await client.ask({ authority: "localhost" })).status).toBe(200);
    expect(rig.backend.requests).toHaveLength(2);
  });

  it("a client's certificate goes to the server", async () => {
    const alice = makeCertificate("alice");
    await using rig = await Rig.start(withTls(engine, { clientCertificates: { ca: certificateFiles(alice).cert } }));
    using client = await Http2Client.connect(rig.address, { ...alice });
    expect((await client.ask()).status).toBe(200);
    expect(rig.backend.requests[0]?.values("x-client-cert-subject")).toEqual(["CN=alice"]);
  });

  it("says in the end that it ends, and closes with the router", async () => {
    await using rig = await Rig.start(withTls(engine));
    using client = await Http2Client.connect(rig.address, {});
    await client.ask();
    await rig.router.finish();
    await client.closed;
    expect(client.goaways[0]).toBe(0);
  });

  it("carries 10 MB each way", async () => {
    const body = Buffer.alloc(10_000_000, "watershed ");
    await using rig = await Rig.start({
      ...withTls(engine),
      scripts: [
        {
          onRequest: ({ socket, body: got }) =>
            socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${got.length}\r\n\r\n${got}`, "latin1"),
        },
      ],
    });
    using client = await Http2Client.connect(rig.address, {});
    const answer = await client.ask({ method: "POST", body });
    expect(Buffer.from(answer.body, "latin1").equals(body)).toBe(true);
  });

  it.skipIf(!hasClient("curl"))("curl is served over HTTPS and by prior knowledge", async () => {
    await using rig = await Rig.start(withTls(engine));
    const port = rig.address.split(":")[1];
    const says = ["--silent", "--max-time", "10", "--write-out", " %{http_version} %{http_code}"];
    const there = ["--resolve", `www.stream.test:${port}:127.0.0.1`, "--cacert", site.cert];
    const { stdout } = await run("curl", [...says, ...there, "--http2", `https://www.stream.test:${port}/`]);
    expect(stdout).toBe("ok 2 200");
    const old = await run("curl", [...says, ...there, "--http1.1", `https://www.stream.test:${port}/`]);
    expect(old.stdout).toBe("ok 1.1 200");
    await using plain = await Rig.start({ engine });
    const h2c = await run("curl", [...says, "--http2-prior-knowledge", "-d", "x=1", `http://${plain.address}/`]);
    expect(h2c.stdout).toBe("ok 2 200");
    const upgrade = await run("curl", [...says, "--http2", `http://${plain.address}/`]);
    expect(upgrade.stdout).toBe("ok 1.1 200"); // An upgrade to h2c is not taken (RFC 9113 §3.1).
  });

  it.skipIf(!hasClient("h2load"))("h2load fails in no request", async () => {
    await using rig = await Rig.start(withTls(engine));
    const { stdout } = await run("h2load", ["-n", "2000", "-c", "4", "-m", "20", `https://${rig.address}/`]);
    expect(stdout).toMatch(/2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed/);
  });

  it.skipIf(!hasClient("chromium"))("a browser is served over HTTPS by HTTP/2", async () => {
    const page = "<p id=way></p><script>way.textContent=performance.getEntries()[0].nextHopProtocol</script>";
    const bytes = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\n\r\n${page}`;
    await using rig = await Rig.start({
      ...withTls(engine),
      scripts: [{ onRequest: ({ socket }) => void socket.write(bytes) }],
    });
    const profile = mkdtempSync(join(tmpdir(), "watershed-chromium-"));
    try {
      const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"];
      const { stdout } = await run(
        "chromium",
        [...flags, `--user-data-dir=${profile}`, "--dump-dom", `https://${rig.address}/`],
        { timeout: 50_000 },
      );
      expect(stdout).toContain('<p id="way">h2</p>');
    } finally {
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});
