import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import type tls from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import { TcpClient, queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { connect } from "#test/support/tcp.ts";
import { Rig, hasDig, hasKdig, optionCodes, rcodes } from "./rig.ts";

const files = certificateFiles(makeCertificate("ns1.stream.test"));
const clock = new FakeClock();
let rig: Rig;
beforeAll(async () => {
  const listen = ["127.110.53.1:0"];
  const tcp = { connections: 4, idle: "10s" };
  rig = await Rig.start(110, { tcp, tls: { listen, certificates: [files] } }, { clock });
});
afterAll(() => rig[Symbol.asyncDispose]());

const open = (secure: tls.ConnectionOptions = {}) =>
  new TcpClient(rig.tlsAddress, "127.0.0.1", { ALPNProtocols: ["dot"], ...secure });

/** The code of the error with which a handshake ends, or what was agreed on. */
async function handshake(secure: tls.ConnectionOptions): Promise<{ alpn?: string | false; error?: string }> {
  using client = open(secure);
  const socket = client.socket as tls.TLSSocket;
  return await new Promise((resolve) => {
    socket.once("secureConnect", () => resolve({ alpn: socket.alpnProtocol ?? false }));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }));
  });
}

describe("DNS over TLS (RFC 7858)", () => {
  it("gives the same answers as TCP, several queries a connection", async () => {
    using client = open();
    const ask = { name: "huge.stream.test", type: 16, edns: {} };
    const [encrypted, plain] = [await client.ask(queryBytes(ask)), await rig.askTcp(ask)];
    expect([encrypted.answers, encrypted.tc]).toEqual([plain.answers, false]);
    client.socket.write(Buffer.concat([1, 2, 3].map((id) => TcpClient.frame(queryBytes({ id })))));
    expect((await client.replies(3)).map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("answers whom has ended its side", async () => {
    using client = open();
    client.socket.end(TcpClient.frame(queryBytes({ id: 5 })));
    expect((await client.replies(1))[0]?.id).toBe(5);
    await client.closed;
  });

  it("takes ALPN dot, or none; no other, and nothing older than TLS 1.2", async () => {
    expect(await handshake({})).toEqual({ alpn: "dot" });
    expect(await handshake({ ALPNProtocols: [] })).toEqual({ alpn: false });
    expect(await handshake({ ALPNProtocols: ["h2"] })).toMatchObject({
      error: expect.stringContaining("NO_APPLICATION"),
    });
    const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    expect(await handshake(old)).toHaveProperty("error");
  });

  it("tells keepalive, and pads to 468 bytes if the query was padded (RFC 7828, RFC 8467)", async () => {
    using client = open();
    const options = [
      [optionCodes.keepalive, Buffer.alloc(0)],
      [optionCodes.padding, Buffer.alloc(60)],
    ] as const;
    const reply = await client.ask(queryBytes({ edns: { options } }));
    expect(reply.bytes).toBe(468);
    expect(reply.opt?.options.get(optionCodes.keepalive)).toEqual(Buffer.of(0, 100));
    expect((await client.ask(queryBytes({ edns: {} }))).opt?.options.has(optionCodes.padding)).toBe(false);
  });

  it("closes who is idle, and who never ends its handshake", async () => {
    using client = open();
    await client.ask(queryBytes());
    const mute = await connect(rig.tlsAddress);
    const muteClosed = once(mute.resume(), "end");
    await rig.askTcp(); // the server has taken both in
    await clock.advance(10_000);
    await Promise.all([client.closed, muteClosed]);
  });

  it("noise instead of a handshake does no harm", async () => {
    for (const noise of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff", "\x00\x1d"]) {
      const socket = await connect(rig.tlsAddress);
      socket.end(Buffer.from(noise, "latin1"));
      await once(socket.resume(), "close");
    }
    using client = open();
    expect((await client.ask(queryBytes())).rcode).toBe(rcodes.NOERROR);
  });

  it.skipIf(!hasKdig)("answers kdig +tls (skipped without kdig)", async () => {
    const printed = await rig.kdig(["+tls", "+padding", "+nsid", "+cookie", "www.stream.test"], rig.tlsAddress);
    expect(printed).toMatch(/TLS session \(TLS1\.3\)/);
    expect(printed).toMatch(/status: NOERROR/);
    expect(printed).toMatch(/PADDING: \d+ B/);
    expect(printed).toContain("Received 468 B");
  });

  it.skipIf(!hasDig)("answers dig +tls (skipped without dig)", async () => {
    const printed = await rig.digTo(rig.tlsAddress, "+tls", "+keepalive", "+nsid", "www.stream.test");
    expect(printed).toMatch(/status: NOERROR[^]*NSID[^]*KEEPALIVE[^]*\(TLS\)/);
  });
});

describe("certificates", () => {
  const namesOf = async (servername: string) => {
    using client = open({ servername });
    await once(client.socket, "secureConnect");
    return (client.socket as tls.TLSSocket).getPeerCertificate().subjectaltname;
  };
  /** Both files at once, as a renewal does. */
  const put = (names: readonly string[], broken = false) => {
    const next = makeCertificate(...names);
    for (const [file, text] of [
      [files.key, next.key],
      [files.cert, broken ? "noise" : next.cert],
    ] as const) {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    }
  };

  it("are read again when their files change; while they cannot be used the old ones stay", async () => {
    using kept = open();
    await kept.ask(queryBytes());
    expect(await namesOf("ns1.stream.test")).toBe("DNS:ns1.stream.test");
    const seen = (type: string) => rig.bench.told(type).length;
    put(["ns2.stream.test"], true);
    await rig.bench.until(() => seen("certificates_refused") > 0);
    expect(await namesOf("ns1.stream.test")).toBe("DNS:ns1.stream.test");
    const before = seen("certificates_read");
    put(["ns3.stream.test"]);
    await rig.bench.until(() => seen("certificates_read") > before);
    expect(await namesOf("ns1.stream.test")).toBe("DNS:ns3.stream.test");
    expect((await kept.ask(queryBytes())).rcode).toBe(rcodes.NOERROR);
  });
});
