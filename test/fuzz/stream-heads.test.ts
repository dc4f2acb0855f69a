import fc from "fast-check";
import { once } from "node:events";
import type { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { beforeAll, describe, expect, it } from "vitest";
import { readClientHello } from "#l4-forwarder/userspace/client-hello.ts";
import { acceptClientHello } from "#l4-forwarder/userspace/accept-hello.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { seededRandom } from "#shared/core/random.ts";
import type { Random } from "#shared/core/random.ts";
import { acceptProxyHeader, readProxyHeader, writeProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { helloOf, inRecords, writeHello } from "#test/support/client-hello.ts";
import { TestForwarder } from "#test/support/forwarder.ts";
import { mutate } from "#test/support/mutate.ts";
import { TcpServer, connect, echo, outcome } from "#test/support/tcp.ts";

/** Heads of streams that a forwarder reads: PROXY headers and ClientHellos. How long, and from where: a failure names the
 * seed, which finds it again. */
const share = 4; // six parts take turns: together they take little longer than one fuzz test of another file
const seconds = Number(process.env["WATERSHED_FUZZ_SECONDS"] ?? 2) / share;
const seed = Number(process.env["WATERSHED_FUZZ_SEED"] ?? Date.now() % 1_000_000);
const roundsBetweenLooks = 100; // at the clock
const testLimit = (seconds + 30) * 1_000;
const versions = ["v1", "v2"] as const;
const headerBytesMax = { v1: 107, v2: 16 + 216 + 4_096 } as const;
const helloBytesMax = 5 * 16_388 + 16_388; // each byte of the longest hello in a record of its own is more than any sends

/** What a reader says of bytes got so far. */
type Result = { readonly state: "more" } | { readonly state: "invalid" } | { readonly state: "done" };

/** Once said, `invalid` and `done` stay, whatever follows; and no prefix of a whole head is refused. */
function expectSteady(read: (bytes: Buffer) => Result, bytes: Buffer, random: Random): Result {
  const whole = read(bytes);
  const cut = Math.floor(random() * (bytes.length + 1));
  const part = read(bytes.subarray(0, cut));
  if (part.state !== "more" && part.state !== whole.state) throw new Error(`${part.state} after ${cut} bytes`);
  const more = read(Buffer.concat([bytes, Buffer.alloc(8, random() * 256)]));
  if (whole.state !== "more" && more.state !== whole.state) throw new Error(`${whole.state}, then ${more.state}`);
  return whole;
}

/** Runs rounds until the time is over. @returns how many, and how many of them `round` said yes to */
function forTheTime(round: (random: Random) => boolean): { readonly rounds: number; readonly yes: number } {
  const random = seededRandom(seed);
  const endMs = performance.now() + seconds * 1_000;
  let [rounds, yes] = [0, 0];
  while (rounds % roundsBetweenLooks !== 0 || performance.now() < endMs) {
    rounds++;
    if (round(random)) yes++;
  }
  return { rounds, yes };
}

const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => formatAddress(bytes));
const end = fc.record({ host: address, port: fc.nat(65_535) });
const tlv = fc.record({
  type: fc.constantFrom(0x01, 0x02, 0x04, 0x05, 0x20, 0x30, 0xe0, 0xe1, 0xe2),
  value: fc.uint8Array({ maxLength: 128 }),
});
const header: fc.Arbitrary<ProxyHeader> = fc
  .record({
    version: fc.constantFrom(...versions),
    command: fc.constantFrom("PROXY" as const, "LOCAL" as const),
    source: end,
    destination: end,
    tlvs: fc.array(tlv, { maxLength: 6 }),
  })
  .filter(({ source, destination }) => source.host.includes(":") === destination.host.includes(":"))
  .map(({ command, ...rest }) =>
    command === "LOCAL" ? { version: rest.version, command, tlvs: rest.tlvs } : { command, ...rest },
  );

const source = { host: "192.0.2.7", port: 40_000 };
const destination = { host: "198.51.100.1", port: 443 };
const source6 = { host: "2001:db8::7", port: 40_000 };
const tlvs = [
  { type: 0x05, value: Buffer.from("0123456789") },
  { type: 0xe0, value: Buffer.from("web-1") },
  { type: 0x04, value: Buffer.alloc(3) },
];
const headers: readonly Buffer[] = versions.flatMap((version) => [
  writeProxyHeader({ version, command: "PROXY", source, destination, tlvs }),
  writeProxyHeader({ version, command: "PROXY", source: source6, destination: source6, tlvs: [] }),
  writeProxyHeader({ version, command: "LOCAL", tlvs }),
]);
const tellingOfProxy = [0x00, 0x03, 0x05, 0x0a, 0x0d, 0x11, 0x20, 0x21, 0x22, 0x31, 0x34, 0x36, 0xff];

describe("PROXY headers", () => {
  it("read back as they were written, and at no cut before their end", () => {
    fc.assert(
      fc.property(
        header,
        fc.uint8Array({ maxLength: 50 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (written, rest, at) => {
          const bytes = writeProxyHeader(written);
          const result = readProxyHeader(Buffer.concat([bytes, rest]), written.version);
          expect(result).toMatchObject({ state: "done", bytesRead: bytes.length });
          const cut = bytes.subarray(0, Math.floor(at * bytes.length));
          expect(readProxyHeader(cut, written.version)).toEqual({ state: "more" });
          if (result.state === "done" && written.source)
            expect(result.header).toMatchObject({ command: written.command });
        },
      ),
      { seed, plugins: [fc.interruptAfterTimeLimit(seconds * 1_000)], numRuns: 2_000 },
    );
  });

  it.each(versions)(
    `of %s changed by chance are read, refused, or waited for within the bound, ${seconds} s long from seed ${seed}`,
    (version) => {
      const { rounds, yes } = forTheTime((random) => {
        const bytes = mutate(headers, tellingOfProxy, random);
        try {
          const result = expectSteady((some) => readProxyHeader(some, version), bytes, random);
          if (result.state === "more" && bytes.length >= headerBytesMax[version]) throw new Error("no bound");
          return result.state === "done";
        } catch (error) {
          throw new Error(`${version} ${bytes.toString("hex")}`, { cause: error });
        }
      });
      // The mutations are of use only while many are headers still.
      expect(yes / rounds).toBeGreaterThan(0.1);
    },
    testLimit,
  );

  it.each(versions)(
    `of %s forged or broken close the connection, are counted, and reach no server, ${seconds} s long from seed ${seed}`,
    async (version) => {
      await using server = await TcpServer.start(echo, "127.0.0.1");
      await using forwarder = await TestForwarder.start({
        listeners: [{ address: "127.0.0.1:0", pool: "web", proxyProtocol: { accept: version } }],
        pools: { web: { endpoints: [{ address: server.address }] } },
      });
      const listener = forwarder.listener("web").address;
      const random = seededRandom(seed);
      const endMs = performance.now() + seconds * 1_000;
      let [whole, broken] = [0, 0];
      while (performance.now() < endMs) {
        const bytes = mutate(headers, tellingOfProxy, random);
        const client = await connect(listener);
        const ended = outcome(client);
        client.end(bytes);
        const { end: how, bytes: echoed } = await ended;
        const result = readProxyHeader(bytes, version);
        if (result.state === "done") {
          whole++;
          // What followed the header came back, and an end after it.
          expect({ how, echoed: echoed.toString("hex") }).toEqual({
            how: "end",
            echoed: bytes.subarray(result.bytesRead).toString("hex"),
          });
        } else {
          broken++;
          expect(how, bytes.toString("hex")).toBe("reset");
        }
      }
      const labels = { listener, pool: "web", reason: "PROXY_HEADER_INVALID" };
      await forwarder.until(() => forwarder.listener("web").active === 0);
      expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(broken);
      expect(server.accepted).toBe(whole);
      expect(whole).toBeGreaterThan(0);
      expect(broken).toBeGreaterThan(0);
    },
    testLimit,
  );
});

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const serverName = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const extensions = fc.array(
  fc.record({ type: fc.integer({ min: 1, max: 65_535 }), body: fc.uint8Array({ maxLength: 300 }) }),
  { maxLength: 6 },
);
const hello = fc.record({
  sessionId: fc.uint8Array({ maxLength: 32 }),
  ciphers: fc.uint8Array({ minLength: 2, maxLength: 60 }).map((bytes) => bytes.subarray(0, bytes.length & ~1)),
  before: extensions,
  after: extensions,
  name: fc.option(serverName, { nil: undefined }),
});

describe("ClientHellos", () => {
  const real: Buffer[] = [];
  beforeAll(async () => {
    real.push(await helloOf({ servername: "api.stream.test" }), await helloOf({}));
    real.push(await helloOf({ servername: "a.b", maxVersion: "TLSv1.2", ALPNProtocols: ["h2", "http/1.1"] }));
  });

  it("tell the name that was written into them, over records of any size, and at no cut before it", () => {
    fc.assert(
      fc.property(hello, fc.integer({ min: 1, max: 2_000 }), fc.nat(), (parts, recordBytes, at) => {
        const bytes = inRecords(writeHello(parts), recordBytes);
        expect(readClientHello(bytes)).toEqual({ state: "done", name: parts.name });
        expect(readClientHello(bytes.subarray(0, at % bytes.length))).toEqual({ state: "more" });
      }),
      { seed, plugins: [fc.interruptAfterTimeLimit(seconds * 1_000)], numRuns: 2_000 },
    );
  });

  it("are taken off a connection at every cut, and every byte is put back", async () => {
    const bytes = Buffer.concat([real[0] ?? Buffer.alloc(0), Buffer.from("early data")]);
    for (let cut = 1; cut < bytes.length; cut++) {
      const [client, accepted] = duplexPair();
      const name = acceptClientHello(accepted as unknown as Socket, 5_000);
      client.write(bytes.subarray(0, cut));
      await new Promise((resolve) => setImmediate(resolve));
      client.end(bytes.subarray(cut));
      expect(await name, `cut at ${cut}`).toBe("api.stream.test");
      const chunks: Buffer[] = [];
      accepted.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
      await once(accepted, "end");
      expect(Buffer.concat(chunks).equals(bytes), `cut at ${cut}`).toBe(true);
    }
  });

  it(
    `changed by chance are read, refused, or waited for within the bound, ${seconds} s long from seed ${seed}`,
    () => {
      const corpus = [...real, ...real.map((bytes) => inRecords(bytes, 50))];
      const { rounds, yes } = forTheTime((random) => {
        const bytes = mutate(corpus, [0, 1, 2, 3, 5, 16, 22, 0x40, 0xff], random);
        try {
          const result = expectSteady(readClientHello, bytes, random);
          if (result.state === "more" && bytes.length >= helloBytesMax) throw new Error("no bound");
          return result.state === "done";
        } catch (error) {
          throw new Error(bytes.toString("hex"), { cause: error });
        }
      });
      expect(yes / rounds).toBeGreaterThan(0.1);
    },
    testLimit,
  );

  it(
    `changed by chance close the connection, are counted, and reach no server, ${seconds} s long from seed ${seed}`,
    async () => {
      await using server = await TcpServer.start(echo, "127.0.0.1");
      const pool = { endpoints: [{ address: server.address }] };
      await using forwarder = await TestForwarder.start({
        listeners: [{ address: "127.0.0.1:0", pool: "web", sni: { "api.stream.test": "api" } }],
        pools: { web: pool, api: pool },
      });
      const listener = forwarder.listener("web").address;
      const random = seededRandom(seed);
      const endMs = performance.now() + seconds * 1_000;
      let [whole, broken] = [0, 0];
      while (performance.now() < endMs) {
        const bytes = mutate(real, [0, 1, 3, 22, 0xff], random);
        const client = await connect(listener);
        const ended = outcome(client);
        client.end(bytes);
        const { end: how, bytes: echoed } = await ended;
        if (readClientHello(bytes).state === "done") {
          whole++;
          expect({ how, same: echoed.equals(bytes) }, bytes.toString("hex")).toEqual({ how: "end", same: true });
        } else {
          broken++;
          expect(how, bytes.toString("hex")).toBe("reset");
        }
      }
      const labels = { listener, pool: "web", reason: "CLIENT_HELLO_INVALID" };
      await forwarder.until(() => forwarder.listener("web").active === 0);
      expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(broken);
      expect(server.accepted).toBe(whole);
      expect(whole).toBeGreaterThan(0);
      expect(broken).toBeGreaterThan(0);
    },
    testLimit,
  );

  it("are not taken off by the reader of PROXY headers, nor the other way round", async () => {
    const [client, accepted] = duplexPair();
    const read = acceptProxyHeader(accepted as unknown as Socket, "v2", 5_000);
    client.write(real[0]);
    await expect(read).rejects.toMatchObject({ reason: "PROXY_HEADER_INVALID" });
    expect(readClientHello(headers[3] ?? Buffer.alloc(0)).state).toBe("invalid");
  });
});
