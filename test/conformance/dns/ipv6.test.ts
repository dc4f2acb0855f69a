import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TcpClient, UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import type { QueryOptions } from "#test/support/dns.ts";
import { addressesOf } from "#test/support/geodns.ts";
import { Rig, optionCodes, rcodes } from "./rig.ts";

const loopback = "::1";
let rig: Rig;
beforeAll(async () => {
  // ::1 is looked up by its last 32 bits, as every address of ::/96.
  const networks = {
    "0.0.0.1/32": { country: "US" },
    "81.2.69.0/24": { country: "DE" },
    "2001:db8:7::/48": { country: "DE" },
  };
  rig = await Rig.start(126, { listen: ["[::1]:0"], geo: { networks }, cookies: { require: true } });
});
afterAll(() => rig[Symbol.asyncDispose]());

async function ask(query: QueryOptions = {}) {
  using udp = new UdpClient(rig.address, loopback);
  return await udp.ask(queryBytes(query));
}

describe("a client that asks over IPv6", () => {
  it("is answered over UDP and TCP from the address that it asked, and steered by its own", async () => {
    const reply = await ask();
    expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: true, from: rig.address.replace(/[[\]]/g, "") });
    using tcp = new TcpClient(rig.address, loopback);
    for (const one of [reply, await tcp.ask(queryBytes())]) expect(addressesOf(one)).toEqual(rig.bench.usEast);
  });

  it.each([
    { name: "IPv4", option: ecs(1, 24, [81, 2, 69]) },
    { name: "IPv6", option: ecs(2, 48, [0x20, 1, 0x0d, 0xb8, 0, 7]) },
  ])("is steered by its client subnet, also one of $name", async ({ option }) => {
    const reply = await ask({ edns: { options: [option] } });
    expect(addressesOf(reply)).toEqual(rig.bench.euWest);
    const echoed = reply.opt?.options.get(optionCodes.ecs);
    expect(echoed?.subarray(0, 3)).toEqual(option[1].subarray(0, 3));
    expect(echoed?.[3]).toBeGreaterThan(0);
  });

  it("gets a cookie for its address of 16 bytes, which is good", async () => {
    const send = (cookie: Uint8Array) => ask({ edns: { options: [[optionCodes.cookie, cookie]] } });
    const first = await send(Buffer.alloc(8, 7));
    expect(first.rcode).toBe(rcodes.BADCOOKIE);
    const cookie = first.opt!.options.get(optionCodes.cookie)!;
    expect(cookie).toHaveLength(24);
    expect(await send(cookie)).toMatchObject({ rcode: rcodes.NOERROR, answers: [{ type: 1 }, { type: 1 }] });
    cookie[23] = cookie[23]! ^ 1;
    expect((await send(cookie)).rcode).toBe(rcodes.BADCOOKIE);
  });

  it("gets 1232 bytes at most", async () => {
    const cut = await ask({ name: "huge.stream.test", type: 16, edns: { udpBytes: 4_096 } });
    expect(cut).toMatchObject({ tc: true, answers: [] });
    using tcp = new TcpClient(rig.address, loopback);
    expect(await tcp.ask(queryBytes({ name: "huge.stream.test", type: 16 }))).toMatchObject({
      tc: false,
      answers: [{}],
    });
  });
});
