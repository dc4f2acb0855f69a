import dgram from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { healthSchema } from "#shared/config/schema/common.ts";
import { listenUdp } from "#shared/net/listen-udp.ts";
import { checkUdp } from "./udp.ts";

const soon = () => AbortSignal.timeout(5_000);
const config = (more: object = {}) => healthSchema.parse({ type: "udp", timeout: "5s", ...more });

/** A server that answers each datagram with what `answer` makes of it. */
async function answering(answer: (datagram: Buffer) => string | Buffer) {
  const from: string[] = [];
  const listener = await listenUdp({
    address: "127.0.0.1:0",
    onDatagram(datagram, peer, own) {
      from.push(peer.address);
      const bytes = Buffer.from(answer(datagram));
      own.send(bytes, bytes.length, peer);
    },
  });
  const port = Number(listener.address.split(":")[1]);
  return { target: { host: "127.0.0.1", port }, from, [Symbol.asyncDispose]: () => listener.close() };
}

describe("a udp check", () => {
  const cases = [
    { name: "passes on any answer", more: {}, passed: true },
    {
      name: "sends what it is told, and finds what is expected",
      more: { send: "ping", expect: "got ping" },
      passed: true,
    },
    { name: "fails on another answer", more: { expect: "pong" }, passed: false, reason: "CHECK_STATUS" },
    { name: "takes bytes in hex", more: { send: "0x70696e67", expect: "0x676f74" }, passed: true },
  ];
  it.each(cases)("$name", async ({ more, passed, reason = "OK" }) => {
    await using server = await answering((datagram) => `got ${datagram.toString()}`);
    expect(await checkUdp(server.target, config(more), soon())).toMatchObject({ passed, reason });
  });

  it("comes from the node's own address", async () => {
    await using server = await answering(() => "here");
    const target = { ...server.target, localAddress: "127.77.0.6" };
    expect(await checkUdp(target, config(), soon())).toMatchObject({ passed: true });
    expect(server.from).toEqual(["127.77.0.6"]);
  });

  it("says CHECK_REFUSED where nobody listens", async () => {
    const { target, ...server } = await answering(() => "");
    await server[Symbol.asyncDispose]();
    expect(await checkUdp(target, config(), soon())).toMatchObject({ passed: false, reason: "CHECK_REFUSED" });
  });

  it("says that it is inconclusive where this machine itself lacks something", async () => {
    await using server = await answering(() => "here");
    const target = { ...server.target, localAddress: "192.0.2.1" };
    const inconclusive = { passed: false, reason: "CHECK_FAILED", inconclusive: true };
    expect(await checkUdp(target, config(), soon())).toMatchObject(inconclusive);
  });

  it("says CHECK_TIMEOUT where nothing comes back, and when its time is over before it began", async () => {
    const deaf = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(deaf, "listening");
    const target = { host: "127.0.0.1", port: deaf.address().port };
    for (const signal of [AbortSignal.timeout(20), AbortSignal.abort()])
      expect(await checkUdp(target, config(), signal)).toMatchObject({ passed: false, reason: "CHECK_TIMEOUT" });
    deaf.close();
  });
});
