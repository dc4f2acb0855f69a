import dgram from "node:dgram";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { queryBytes, readReply } from "#test/support/dns.ts";
import type { QueryOptions, ReadReply } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Rig, optionCodes, rcodes } from "./rig.ts";

const clock = new FakeClock();
const perSecond = { answers: 10, nxdomain: 4 };
let rig: Rig;
let watching: Rig;
beforeAll(async () => {
  const rateLimit = { perSecond, slip: 2, exempt: ["127.0.9.0/24"] };
  rig = await Rig.start(108, { rateLimit }, { clock });
  watching = await Rig.start(109, { rateLimit: { ...rateLimit, logOnly: true } }, { clock });
});
afterAll(async () => {
  for (const one of [rig, watching]) await one[Symbol.asyncDispose]();
});

/** So many queries at once from an address; the replies that come before the one to a marker from an exempt address. Queries and
 * replies of one socket stay in their order. */
async function flood(of: Rig, client: string, count: number, query: QueryOptions = {}): Promise<ReadReply[]> {
  const { host, port } = parseSocketAddress(of.address)!;
  const socket = dgram.createSocket({ type: "udp4", recvBufferSize: 1_048_576 });
  await new Promise<void>((resolve) => socket.bind(0, client, resolve));
  const replies: ReadReply[] = [];
  socket.on("message", (reply) => replies.push(readReply(reply)));
  for (let id = 0; id < count; id++)
    await new Promise<void>((resolve) => socket.send(queryBytes({ id, ...query }), port, host, () => resolve()));
  await of.ask({}, "127.0.9.1"); // answered behind all of them
  for (let read = -1; read < replies.length;) {
    read = replies.length; // every turn of the loop reads some of those that have come
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }
  socket.close();
  return replies;
}
const whole = (replies: readonly ReadReply[]) => replies.filter(({ tc, answers }) => !tc && answers.length > 0);
const cut = (replies: readonly ReadReply[]) => replies.filter(({ tc }) => tc);

describe("response rate limiting", () => {
  it("one network gets so many answers a second; of those over it every second is cut, the rest is dropped", async () => {
    const replies = await flood(rig, "127.0.1.1", 50);
    expect([whole(replies).length, cut(replies).length]).toEqual([10, 20]);
    for (const reply of cut(replies))
      expect(reply).toMatchObject({ rcode: rcodes.NOERROR, answers: [], authority: [] });
    expect(await rig.bench.host.metrics.render()).toMatch(/limited_total\{kind="answer",result="dropped".*\} 20/);
  });

  it("its neighbours in the /24 share the limit, others do not", async () => {
    await flood(rig, "127.0.2.1", 10);
    expect(whole(await flood(rig, "127.0.2.200", 10))).toHaveLength(0);
    expect(whole(await flood(rig, "127.0.3.1", 10))).toHaveLength(10);
  });

  it("kinds of answers are limited apart", async () => {
    const missing = await flood(rig, "127.0.4.1", 8, { name: "no.stream.test" });
    expect(missing.filter(({ rcode }) => rcode === rcodes.NXDOMAIN)).toHaveLength(4);
    expect(whole(await flood(rig, "127.0.4.1", 10))).toHaveLength(10);
  });

  it("the limit is lifted when the network has rested", async () => {
    await flood(rig, "127.0.5.1", 20);
    await clock.advance(3_000);
    expect(whole(await flood(rig, "127.0.5.1", 10))).toHaveLength(10);
  });

  it("over TCP, with a good cookie, and from an exempt network there is none", async () => {
    await flood(rig, "127.0.0.1", 30);
    expect(await rig.askTcp()).toMatchObject({ tc: false, rcode: rcodes.NOERROR });
    expect(whole(await flood(rig, "127.0.9.7", 40))).toHaveLength(40);
    const half = [[optionCodes.cookie, Buffer.alloc(8, 5)]] as const;
    const over = await flood(rig, "127.0.0.1", 4, { edns: { options: half } });
    expect(over.map(({ rcode, tc }) => [rcode, tc])).toEqual([
      [rcodes.BADCOOKIE, false],
      [rcodes.BADCOOKIE, false],
    ]);
    const cookie = over[0]!.opt!.options.get(optionCodes.cookie)!;
    const proven = { edns: { options: [[optionCodes.cookie, cookie]] as const } };
    expect(whole(await flood(rig, "127.0.0.1", 40, proven))).toHaveLength(40);
  });

  it("log-only limits nothing and counts", async () => {
    expect(whole(await flood(watching, "127.0.1.1", 50))).toHaveLength(50);
    expect(await watching.bench.host.metrics.render()).toMatch(/limited_total\{kind="answer",result="logged".*\} 40/);
  });
});
