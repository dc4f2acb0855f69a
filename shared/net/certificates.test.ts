import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import { UsageError } from "#shared/core/error.ts";
import { certificateFiles, makeCertificate } from "#test/support/certificate.ts";
import { Certificates, readCertificates } from "./certificates.ts";

const filesOf = (...names: readonly string[]) => certificateFiles(makeCertificate(...names));
const one = filesOf("one.test", "*.one.test");
const two = filesOf("two.test");

describe("a certificate for a name", () => {
  const certificates = new Certificates(readCertificates([one, two], { minVersion: "TLSv1.2" }));
  it.each([
    { name: "two.test", file: two },
    { name: "TWO.test", file: two },
    { name: "one.test", file: one },
    { name: "www.one.test", file: one },
    { name: "a.www.one.test", file: one, why: "the first, as for any name" },
    { name: "three.test", file: one },
    { name: "", file: one },
  ])("$name", ({ name, file }) => {
    expect(certificates.find(name).file).toBe(file.cert);
  });

  it("is told in the status", () => {
    expect(certificates.status()).toEqual([
      { file: one.cert, names: ["one.test", "*.one.test"], validTo: "2049-01-01T00:00:00.000Z" },
      { file: two.cert, names: ["two.test"], validTo: "2049-01-01T00:00:00.000Z" },
    ]);
  });
});

describe("what cannot be used is told, all at once", () => {
  const noise = filesOf("noise.test");
  writeFileSync(noise.cert, "noise");
  const missing = "/nowhere/site.crt";
  it.each([
    {
      name: "a missing file",
      pair: { cert: missing, key: one.key },
      says: `expected a certificate in PEM in ${missing}, got none: there is no such file (`,
    },
    {
      name: "a directory",
      pair: { cert: "/", key: one.key },
      says: "expected a certificate in PEM in /, got none: it is a directory (",
    },
    { name: "noise", pair: noise, says: `expected a certificate in PEM in ${noise.cert}, got none: ` },
    {
      name: "no key",
      pair: { cert: one.cert, key: one.cert },
      says: `expected a private key in PEM in ${one.cert}, got none: `,
    },
    {
      name: "another key",
      pair: { cert: one.cert, key: two.key },
      says: `expected the key of the certificate in ${one.cert}, got another one in ${two.key} (`,
    },
  ])("$name", ({ pair, says }) => {
    const read = () => readCertificates([pair, { cert: missing, key: missing }], { minVersion: "TLSv1.2" });
    expect(read).toThrow(UsageError);
    expect(read).toThrow(says);
    expect(read).toThrow(`expected a private key in PEM in ${missing}, got none: there is no such file`);
  });
});

describe("a server", () => {
  it("serves by name, and takes new certificates in while it runs", async () => {
    const certificates = new Certificates(readCertificates([one, two], { minVersion: "TLSv1.3" }));
    const server = tls.createServer(certificates.serverOptions, (socket) => socket.on("error", () => {}).end());
    certificates.attach(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const namesFor = async (servername?: string) => {
      const socket = tls.connect({
        host: "127.0.0.1",
        port,
        rejectUnauthorized: false,
        ...(servername && { servername }),
      });
      await once(socket, "secureConnect");
      const { subjectaltname } = socket.getPeerCertificate();
      socket.destroy();
      return subjectaltname;
    };
    expect(await namesFor("two.test")).toBe("DNS:two.test");
    expect(await namesFor()).toBe("DNS:one.test, DNS:*.one.test");
    certificates.replace(readCertificates([filesOf("new.test")], { minVersion: "TLSv1.3" }));
    expect(await namesFor("two.test")).toBe("DNS:new.test");
    expect(await namesFor()).toBe("DNS:new.test");
    server.close();
  });
});

describe("processes that share a seed", () => {
  it.each([
    { seeds: "the same seed", seed: 1, reused: true },
    { seeds: "another seed", seed: 2, reused: false },
  ])("a session of one at one with $seeds: resumed $reused", async ({ seed, reused }) => {
    const serve = async (byte: number) => {
      const read = readCertificates([one], { minVersion: "TLSv1.3" });
      const certificates = new Certificates(read, Buffer.alloc(32, byte));
      const server = tls.createServer(certificates.serverOptions, (socket) => socket.on("error", () => {}).end("x"));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    };
    const connect = async (server: tls.Server, session?: Buffer) => {
      const { port } = server.address() as AddressInfo;
      const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...(session && { session }) });
      const got: Buffer[] = [];
      socket.on("session", (one) => got.push(one));
      socket.resume();
      await once(socket, "secureConnect");
      const isReused = socket.isSessionReused();
      await once(socket, "close");
      return { isReused, session: got.at(-1) };
    };
    const [first, other] = await Promise.all([serve(1), serve(seed)]);
    const { session } = await connect(first);
    expect(session).toBeDefined();
    expect((await connect(other, session)).isReused).toBe(reused);
    first.close();
    other.close();
  });
});
