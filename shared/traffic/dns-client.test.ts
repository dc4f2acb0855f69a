import dgram from "node:dgram";
import { once } from "node:events";
import { Packet } from "dns2";
import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { askDns, decodeAnswer, encodeQuery, subnetOf } from "./dns-client.ts";
import type { DnsQuery } from "./dns-client.ts";

const query: DnsQuery = { name: "www.stream.test", type: "A", id: 0xbeef, traceId: "abcdefgh" };

/** What a name server might answer. */
function answerTo(id: number, addresses: readonly string[], rcode = 0): Buffer {
  const packet = new Packet(new Packet.Header({ id, qr: 1, aa: 1, rcode }));
  packet.questions.push(new Packet.Question(query.name, Packet.TYPE.A, Packet.CLASS.IN));
  for (const [i, address] of addresses.entries())
    packet.answers.push(
      Object.assign(new Packet.Resource(query.name, Packet.TYPE.A, Packet.CLASS.IN, 30 - i), { address }),
    );
  return packet.toBuffer();
}

describe("a query", () => {
  it("carries the trace id in option 65001, byte for byte", () => {
    const opt = "00 0029 04d0 00000000 000c fde9 0008 6162636465666768";
    const question = "03777777 0673747265616d 0474657374 00 0001 0001";
    const header = "beef 0000 0001 0000 0000 0001";
    expect(encodeQuery(query).toString("hex")).toBe(`${header}${question}${opt}`.replaceAll(" ", ""));
  });

  it.each([
    { address: "81.2.69.142", ecs: "0008 0007 0001 18 00 510245" },
    { address: "2001:db8:1:2ff::1", ecs: "0008 000a 0002 30 00 20010db80001" },
  ])("tells the subnet of $address and no more", ({ address, ecs }) => {
    const subnet = subnetOf(parseAddress(address)!);
    expect(
      encodeQuery({ ...query, subnet })
        .toString("hex")
        .endsWith(ecs.replaceAll(" ", "")),
    ).toBe(true);
  });
});

describe("an answer", () => {
  it("gives its addresses in order and its lowest TTL", () => {
    expect(decodeAnswer(answerTo(query.id, ["127.11.0.2", "127.11.0.1"]), query)).toEqual({
      rcode: "NOERROR",
      truncated: false,
      addresses: ["127.11.0.2", "127.11.0.1"],
      ttlSeconds: 29,
      scope: null,
    });
  });

  it.each(["81.2.69.142", "2001:db8:1:2ff::1"])("with the subnet of %s tells its scope", (address) => {
    const sent = encodeQuery({ ...query, subnet: subnetOf(parseAddress(address)!) });
    sent[2] = 0x84; // as a name server sends it back: QR and AA set, a scope given
    const scopeAt = sent.indexOf(Buffer.of(0, 8, 0, address.includes(":") ? 10 : 7)) + 7;
    sent[scopeAt] = 20;
    expect(decodeAnswer(sent, query)).toMatchObject({ rcode: "NOERROR", scope: 20 });
  });

  it("names its rcode", () => {
    expect(decodeAnswer(answerTo(query.id, [], 3), query)).toMatchObject({ rcode: "NXDOMAIN", addresses: [] });
  });

  it("to another question is not ours", () => {
    expect(decodeAnswer(answerTo(query.id + 1, []), query)).toBeUndefined();
    expect(decodeAnswer(encodeQuery(query), query)).toBeUndefined();
  });

  it.each([
    ["shorter than a header", Buffer.alloc(5)],
    ["cut in the middle of a record", answerTo(query.id, ["127.11.0.2"]).subarray(0, -3)],
  ])("%s is refused", (_, message) => {
    expect(decodeAnswer(message, query)).toMatchObject({ reason: "UPSTREAM_INVALID" });
  });
});

describe("asking", () => {
  it("binds the client's address and takes no answer to another question", async () => {
    const server = dgram.createSocket("udp4");
    server.bind({ address: "127.0.0.1" });
    await once(server, "listening");
    const from: string[] = [];
    server.on("message", (message, { address, port }) => {
      from.push(address);
      const id = message.readUInt16BE(0);
      server.send(answerTo(id ^ 1, ["127.0.0.66"]), port, address);
      server.send(answerTo(id, ["127.11.0.1"]), port, address);
    });
    const address = { host: "127.0.0.1", port: server.address().port };
    const answer = await askDns(query, address, { localAddress: "127.49.0.7", timeoutMs: 10_000 });
    server.close();
    expect(answer.addresses).toEqual(["127.11.0.1"]);
    expect(from).toEqual(["127.49.0.7"]);
  });

  it("fails at once where nobody listens, and in time where nobody answers", async () => {
    const server = dgram.createSocket("udp4");
    server.bind({ address: "127.0.0.1" });
    await once(server, "listening");
    const address = { host: "127.0.0.1", port: server.address().port };
    const options = { localAddress: "127.0.0.1", timeoutMs: 100 };
    await expect(askDns(query, address, options)).rejects.toMatchObject({ reason: "TIMEOUT" });
    server.close();
    await once(server, "close");
    const patient = { ...options, timeoutMs: 60_000 };
    await expect(askDns(query, address, patient)).rejects.toMatchObject({ reason: "CONNECT_FAILED" });
  });
});
