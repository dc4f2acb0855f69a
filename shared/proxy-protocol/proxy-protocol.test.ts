import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { crc32c } from "./crc32c.ts";
import { readProxyHeader, tlvCrc32c, tlvUniqueId, writeProxyHeader } from "./proxy-protocol.ts";
import type { ProxyHeader, ReadResult, Tlv } from "./proxy-protocol.ts";

const signature = "0d0a0d0a000d0a515549540a";
const v2 = (hex: string) => Buffer.from(signature + hex.replaceAll(" ", ""), "hex");

const port = fc.nat(65_535);
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatAddress);
const ipv6 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => formatAddress(bytes))
  .filter((text) => parseAddress(text)?.length === 16);
const tlv: fc.Arbitrary<Tlv> = fc.record({
  type: fc.nat(255).filter((type) => type !== tlvCrc32c),
  value: fc.uint8Array({ maxLength: 128 }),
});
const addresses = fc
  .constantFrom(ipv4, ipv6)
  .chain((host) => fc.record({ source: fc.record({ host, port }), destination: fc.record({ host, port }) }));
const proxied = (version: "v1" | "v2", tlvs: fc.Arbitrary<readonly Tlv[]>): fc.Arbitrary<ProxyHeader> =>
  fc.tuple(addresses, tlvs).map(([ends, extra]) => ({ version, command: "PROXY", ...ends, tlvs: extra }));
const header: fc.Arbitrary<ProxyHeader> = fc.oneof(
  proxied("v1", fc.constant([])),
  proxied("v2", fc.array(tlv, { maxLength: 8 })),
  fc.array(tlv, { maxLength: 8 }).map((tlvs): ProxyHeader => ({ version: "v2", command: "LOCAL", tlvs })),
  fc.constant<ProxyHeader>({ version: "v1", command: "LOCAL", tlvs: [] }),
);

describe("a PROXY header", () => {
  it("reads back as it was written, whatever follows it", () => {
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 64 }), (written, rest) => {
        const bytes = writeProxyHeader(written);
        const result = readProxyHeader(Buffer.concat([bytes, rest]), written.version);
        expect(result).toEqual({ state: "done", header: written, bytesRead: bytes.length });
      }),
    );
  });

  it("asks for more at every cut before its end", () => {
    fc.assert(
      fc.property(header, fc.nat(), (written, at) => {
        const bytes = writeProxyHeader(written);
        expect(readProxyHeader(bytes.subarray(0, at % bytes.length), written.version)).toEqual({ state: "more" });
      }),
    );
  });

  it("is never thrown at by any bytes, nor read past the bound", () => {
    const start = fc.constantFrom(Buffer.from("PROXY "), Buffer.from("PROXY TCP4 "), v2(""), v2("2111"), v2("2000"));
    const bytes = fc.tuple(fc.option(start), fc.uint8Array({ maxLength: 400 }));
    fc.assert(
      fc.property(bytes, fc.constantFrom("v1", "v2"), ([head, rest], accept) => {
        const result = readProxyHeader(Buffer.concat([head ?? Buffer.alloc(0), rest]), accept);
        if (result.state === "done") expect(result.bytesRead).toBeLessThanOrEqual((head?.length ?? 0) + rest.length);
        if (result.state === "more" && accept === "v1") expect(rest.length).toBeLessThan(107);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is never thrown at by a header with bytes changed", () => {
    fc.assert(
      fc.property(header, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (written, changes) => {
        const bytes = writeProxyHeader(written);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        expect(["more", "invalid", "done"]).toContain(readProxyHeader(bytes, written.version).state);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("v1", () => {
  const cases: { name: string; line: string; result: ReadResult["state"] }[] = [
    {
      name: "the example of the specification",
      line: "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
      result: "done",
    },
    { name: "IPv6", line: "PROXY TCP6 ::1 2001:db8::2 1 65535\r\n", result: "done" },
    { name: "UNKNOWN alone", line: "PROXY UNKNOWN\r\n", result: "done" },
    { name: "UNKNOWN with words to ignore", line: `PROXY UNKNOWN ${"f".repeat(91)}\r\n`, result: "done" },
    { name: "one byte more than 107", line: `PROXY UNKNOWN ${"f".repeat(92)}\r\n`, result: "invalid" },
    { name: "a line that never ends", line: `PROXY UNKNOWN ${"f".repeat(300)}`, result: "invalid" },
    { name: "a bare LF", line: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", result: "invalid" },
    { name: "a bare CR", line: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r ", result: "invalid" },
    { name: "two spaces", line: "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", result: "invalid" },
    { name: "a space at the end", line: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", result: "invalid" },
    { name: "a port over 65535", line: "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", result: "invalid" },
    { name: "a port with a leading zero", line: "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", result: "invalid" },
    { name: "an IPv6 address in TCP4", line: "PROXY TCP4 ::1 ::1 1 2\r\n", result: "invalid" },
    { name: "an IPv4 address in TCP6", line: "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", result: "invalid" },
    { name: "an octet over 255", line: "PROXY TCP4 256.2.3.4 1.2.3.4 1 2\r\n", result: "invalid" },
    { name: "an octet with a leading zero", line: "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", result: "invalid" },
    { name: "UDP4", line: "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", result: "invalid" },
    { name: "small letters", line: "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", result: "invalid" },
    { name: "HTTP", line: "GET / HTTP/1.1\r\n\r\n", result: "invalid" },
    { name: "a v2 header", line: v2("21 11").toString("latin1"), result: "invalid" },
    { name: "nothing yet", line: "", result: "more" },
    { name: "CR without its LF yet", line: "PROXY UNKNOWN\r", result: "more" },
  ];
  it.each(cases)("$name: $result", ({ line, result }) => {
    expect(readProxyHeader(Buffer.from(line, "latin1"), "v1")).toMatchObject({ state: result });
  });

  it("is written as in the specification", () => {
    const [source, destination] = [
      { host: "10.0.0.1", port: 1 },
      { host: "::1", port: 2 },
    ];
    const write = (from: typeof source, to: typeof source) =>
      writeProxyHeader({ version: "v1", command: "PROXY", source: from, destination: to, tlvs: [] }).toString();
    expect(write(source, source)).toBe("PROXY TCP4 10.0.0.1 10.0.0.1 1 1\r\n");
    expect(write(source, destination)).toBe("PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n");
  });
});

describe("v2", () => {
  const ends = "7f000001 7f000002 1f90 0050";
  const cases: { name: string; hex: string; result: ReadResult["state"]; command?: string; source?: string }[] = [
    { name: "TCP over IPv4", hex: `21 11 000c ${ends}`, result: "done", command: "PROXY", source: "127.0.0.1" },
    {
      name: "with padding",
      hex: `21 11 0010 ${ends} 04 0001 00`,
      result: "done",
      command: "PROXY",
      source: "127.0.0.1",
    },
    { name: "LOCAL", hex: "20 00 0000", result: "done", command: "LOCAL" },
    { name: "LOCAL with a family and garbage", hex: "20 77 0003 ffffff", result: "done", command: "LOCAL" },
    { name: "LOCAL that declares addresses it has not", hex: "20 11 0002 ffff", result: "done", command: "LOCAL" },
    { name: "an unspecified family", hex: "21 00 0000", result: "done", command: "PROXY" },
    { name: "a UNIX socket", hex: `21 31 00d8 ${"00".repeat(216)}`, result: "done", command: "PROXY" },
    { name: "version 1", hex: "11 11 000c", result: "invalid" },
    { name: "an unknown command", hex: "22 11 000c", result: "invalid" },
    { name: "an unknown family", hex: "21 41 000c", result: "invalid" },
    { name: "an unknown transport", hex: "21 13 000c", result: "invalid" },
    { name: "a datagram", hex: `21 12 000c ${ends}`, result: "invalid" },
    { name: "too few bytes for its addresses", hex: "21 11 000b", result: "invalid" },
    { name: "IPv6 with the bytes of IPv4", hex: `21 21 000c ${ends}`, result: "invalid" },
    { name: "a length over the bound", hex: "21 11 ffff", result: "invalid" },
    { name: "more TLVs than 4 KiB", hex: `21 11 100d ${ends} 04 0ffe ${"00".repeat(4_094)}`, result: "invalid" },
    { name: "a TLV cut off in its head", hex: `21 11 000e ${ends} 04 00`, result: "invalid" },
    { name: "a TLV longer than the header", hex: `21 11 000f ${ends} 04 0001`, result: "invalid" },
    { name: "a unique id over 128 bytes", hex: `21 11 0090 ${ends} 05 0081 ${"00".repeat(129)}`, result: "invalid" },
    { name: "a checksum of three bytes", hex: `21 11 0012 ${ends} 03 0003 000000`, result: "invalid" },
    { name: "a wrong checksum", hex: `21 11 0013 ${ends} 03 0004 00000000`, result: "invalid" },
    { name: "the length not there yet", hex: "21 11 00", result: "more" },
    { name: "the addresses not there yet", hex: "21 11 000c 7f00", result: "more" },
  ];
  it.each(cases)("$name: $result", ({ hex, result, command, source }) => {
    const read = readProxyHeader(v2(hex), "v2");
    expect(read).toMatchObject({ state: result });
    if (read.state !== "done") return;
    expect(read.header.command).toBe(command);
    expect(read.header.source?.host).toBe(source);
  });

  it("is written as in the specification", () => {
    const written = writeProxyHeader({
      version: "v2",
      command: "PROXY",
      source: { host: "127.0.0.1", port: 8080 },
      destination: { host: "127.0.0.2", port: 80 },
      tlvs: [{ type: tlvUniqueId, value: Buffer.from("ab") }],
    });
    expect(written).toEqual(v2(`21 11 0011 ${ends} 05 0002 6162`));
  });

  it("passes with the checksum that it carries, and not with one bit of it turned", () => {
    const bytes = v2(`21 11 0013 ${ends} 03 0004 00000000`);
    bytes.writeUInt32BE(crc32c(bytes), bytes.length - 4);
    expect(readProxyHeader(bytes, "v2").state).toBe("done");
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    expect(readProxyHeader(bytes, "v2").state).toBe("invalid");
  });

  it("takes a v1 line for none", () => {
    expect(readProxyHeader(Buffer.from("PROXY UNKNOWN\r\n"), "v2").state).toBe("invalid");
  });
});

it("CRC32c meets the test vectors of RFC 3720", () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
});
