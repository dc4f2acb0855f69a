import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TcpClient, queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Rig, hasDig, hasKdig, optionCodes, rcodes } from "./rig.ts";

const clock = new FakeClock();
let rig: Rig;
beforeAll(async () => {
  const tcp = { connections: 4, connectionsPerClient: 2, idle: "10s", queries: 500 };
  rig = await Rig.start(107, { tcp }, { clock });
});
afterAll(() => rig[Symbol.asyncDispose]());
const ids = (replies: readonly { id: number }[]) => replies.map(({ id }) => id);

describe("DNS over TCP (RFC 7766)", () => {
  it("several queries of one write are all answered", async () => {
    using tcp = new TcpClient(rig.address);
    tcp.socket.write(Buffer.concat([1, 2, 3].map((id) => TcpClient.frame(queryBytes({ id })))));
    expect(new Set(ids(await tcp.replies(3)))).toEqual(new Set([1, 2, 3]));
  });

  it("a query that comes byte by byte is answered, and so is one of 65535 bytes", async () => {
    using tcp = new TcpClient(rig.address);
    tcp.socket.setNoDelay(true);
    for (const byte of TcpClient.frame(queryBytes({ id: 7 })))
      await new Promise<void>((resolve) => tcp.socket.write(Buffer.of(byte), () => resolve()));
    expect(ids(await tcp.replies(1))).toEqual([7]);
    const edns = { options: [[4_242, Buffer.alloc(65_535 - 33 - 11 - 4)]] as const };
    const largest = queryBytes({ id: 8, edns });
    expect(largest).toHaveLength(65_535);
    expect(await tcp.ask(largest)).toMatchObject({ id: 8, rcode: rcodes.NOERROR });
  });

  it("who has ended its side is still answered", async () => {
    using tcp = new TcpClient(rig.address);
    tcp.socket.end(Buffer.concat([1, 2].map((id) => TcpClient.frame(queryBytes({ id })))));
    expect(ids(await tcp.replies(2))).toEqual([1, 2]);
    await tcp.closed;
  });

  it("far more queries than are held for a client, and then an end: all are answered before the server ends too", async () => {
    const queries = 400; // the limit of this rig is 500
    using tcp = new TcpClient(rig.address);
    const ask = (id: number) => TcpClient.frame(queryBytes({ id, name: "huge.stream.test", type: 16 }));
    tcp.socket.end(Buffer.concat(Array.from({ length: queries }, (_, id) => ask(id)))); // 1.6 MB of replies
    const replies = await tcp.replies(queries);
    expect(ids(replies)).toEqual(Array.from({ length: queries }, (_, id) => id));
    expect(replies.every(({ tc, answers }) => !tc && answers.length === 1)).toBe(true);
    await tcp.closed;
  });

  it("a malformed query is FORMERR, and the connection goes on; a reply gets silence", async () => {
    using tcp = new TcpClient(rig.address);
    expect(await tcp.ask(queryBytes({ trailer: Buffer.of(1) }))).toMatchObject({ rcode: rcodes.FORMERR });
    tcp.socket.write(TcpClient.frame(queryBytes({ id: 1, flags: 0x8000 })));
    expect(await tcp.ask(queryBytes({ id: 2 }))).toMatchObject({ id: 2, rcode: rcodes.NOERROR });
  });

  it("who is idle is closed, though it sends a byte now and then", async () => {
    using idle = new TcpClient(rig.address);
    await idle.ask(queryBytes());
    await clock.advance(9_999);
    await new Promise<void>((resolve) => idle.socket.write(Buffer.of(0), () => resolve()));
    await clock.advance(1);
    await idle.closed;
  });

  it("over the cap of one client its own longest idle goes; over that of all the longest idle of all", async () => {
    using one = new TcpClient(rig.address, "127.0.0.3");
    await one.ask(queryBytes());
    using first = new TcpClient(rig.address, "127.0.0.4");
    await first.ask(queryBytes());
    using second = new TcpClient(rig.address, "127.0.0.4");
    await second.ask(queryBytes());
    using third = new TcpClient(rig.address, "127.0.0.4");
    await third.ask(queryBytes());
    await first.closed;
    using fourth = new TcpClient(rig.address, "127.0.0.5");
    await fourth.ask(queryBytes());
    using fifth = new TcpClient(rig.address, "127.0.0.5");
    await fifth.ask(queryBytes());
    await one.closed;
    for (const open of [second, third, fourth, fifth]) expect((await open.ask(queryBytes())).rcode).toBe(0);
    expect(await rig.bench.host.metrics.render()).toMatch(/connections_closed_total\{reason="evicted".*\} 2/);
  });

  it("a connection has so many queries", async () => {
    using tcp = new TcpClient(rig.address);
    const burst = Array.from({ length: 501 }, (_, i) => TcpClient.frame(queryBytes({ id: i })));
    tcp.socket.write(Buffer.concat(burst));
    expect(ids(await tcp.replies(500)).at(-1)).toBe(499);
    await tcp.closed;
  });
});

describe("a server that ends", () => {
  it("answers what was asked by then, also what is half sent, and then closes", async () => {
    await using ending = await Rig.start(112, {}, { clock });
    using asked = new TcpClient(ending.address);
    using midway = new TcpClient(ending.address);
    const [first, second] = [1, 2].map((id) => TcpClient.frame(queryBytes({ id })));
    await Promise.all([asked.ask(queryBytes()), midway.ask(queryBytes())]);
    await new Promise<void>((resolve) => midway.socket.write(first!.subarray(0, 9), () => resolve()));
    await ending.askTcp(); // the server has read that by now
    asked.socket.write(Buffer.concat([first!, second!]));
    const finished = ending.bench.server.finish();
    expect(ids(await asked.replies(2))).toEqual([1, 2]);
    await asked.closed;
    midway.socket.write(first!.subarray(9));
    expect(ids(await midway.replies(1))).toEqual([1]);
    await Promise.all([midway.closed, finished]);
  });
});

describe("edns-tcp-keepalive (RFC 7828)", () => {
  const asking = (value: Uint8Array) => ({ edns: { options: [[optionCodes.keepalive, value]] as const } });
  it("is told over TCP, to those who ask, in units of 100 ms", async () => {
    const reply = await rig.askTcp(asking(Buffer.alloc(0)));
    expect(reply.opt?.options.get(optionCodes.keepalive)).toEqual(Buffer.of(0, 100));
    expect((await rig.askTcp({ edns: {} })).opt?.options.has(optionCodes.keepalive)).toBe(false);
  });

  it("with a time-out in a query is FORMERR; over UDP it means nothing", async () => {
    expect((await rig.askTcp(asking(Buffer.of(0, 9)))).rcode).toBe(rcodes.FORMERR);
    const reply = await rig.ask(asking(Buffer.of(0, 9)));
    expect(reply.rcode).toBe(rcodes.NOERROR);
    expect(reply.opt?.options.size).toBe(0);
  });

  it.skipIf(!hasDig)("dig reads it (skipped without dig)", async () => {
    expect(await rig.dig("+tcp", "+keepalive", "www.stream.test")).toMatch(/TCP[ -]KEEPALIVE: 10\.0 secs/i);
  });

  it.skipIf(!hasKdig)("kdig asks on one connection (skipped without kdig)", async () => {
    const printed = await rig.kdig(["+tcp", "+keepopen", "+nsid", "www.stream.test", "api.stream.test"]);
    expect(printed.match(/status: NOERROR/g)).toHaveLength(2);
    expect(printed).toMatch(/NSID: .*ns1/);
  });
});
