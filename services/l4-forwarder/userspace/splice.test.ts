import { once } from "node:events";
import net from "node:net";
import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import type { Reason } from "#shared/core/error.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { closed, outcome, read } from "#test/support/tcp.ts";
import { reset } from "./reset.ts";
import { splice } from "./splice.ts";

const opened: net.Socket[] = [];
afterEach(() => opened.splice(0).forEach((socket) => socket.destroy()));

/** Two ends of one connection: far is the peer's, near is ours. */
async function pair(): Promise<{ far: net.Socket; near: net.Socket }> {
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as net.AddressInfo;
  const far = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
  const [[near]] = (await Promise.all([once(listener, "connection"), once(far, "connect")])) as [[net.Socket], unknown];
  listener.close();
  for (const socket of [far, near]) socket.on("error", () => {});
  opened.push(far, near);
  return { far, near };
}

interface Joined {
  readonly client: net.Socket;
  readonly server: net.Socket;
  readonly downstream: net.Socket;
  readonly upstream: net.Socket;
  readonly traffic: { bytesUp: number; bytesDown: number };
  readonly clock: FakeClock;
  begin(): Promise<Reason>;
}

async function join(): Promise<Joined> {
  const [down, up] = await Promise.all([pair(), pair()]);
  const clock = new FakeClock();
  const traffic = { bytesUp: 0, bytesDown: 0 };
  const sockets = { downstream: down.near, upstream: up.near };
  const begin = () => splice({ ...sockets, clock, idleMs: 10_000, halfClosedMs: 1_000, traffic });
  return { client: down.far, server: up.far, ...sockets, traffic, clock, begin };
}

describe.each(["up", "down"] as const)("splicing %s", (direction) => {
  /** The sender and receiver of this direction, and our two sockets between them. */
  async function joinFrom() {
    const joined = await join();
    const { client, server, downstream, upstream } = joined;
    if (direction === "up") return { ...joined, sender: client, receiver: server, near: downstream, other: upstream };
    return { ...joined, sender: server, receiver: client, near: upstream, other: downstream };
  }

  it("carries bytes in order, and counts them", async () => {
    const { sender, receiver, begin, traffic } = await joinFrom();
    const bytes = Buffer.alloc(3_000_000, "0123456789abcdefghijklmnopqrstuvwxyz");
    void begin();
    sender.end(bytes);
    expect((await outcome(receiver)).bytes.equals(bytes)).toBe(true);
    expect(traffic).toEqual({ bytesUp: 0, bytesDown: 0, [direction === "up" ? "bytesUp" : "bytesDown"]: bytes.length });
  });

  it("carries what came before it began, an end with it", async () => {
    const { sender, receiver, near, begin } = await joinFrom();
    sender.end("early");
    await once(near, "readable");
    void begin();
    expect(await outcome(receiver)).toEqual({ bytes: Buffer.from("early"), end: "end" });
  });

  it("carries an end that came before it began, with nothing else", async () => {
    const { sender, receiver, near, begin } = await joinFrom();
    sender.end();
    await once(near, "end");
    void begin();
    expect((await outcome(receiver)).end).toBe("end");
  });

  it("carries an end, and the other direction goes on until its own", async () => {
    const { sender, receiver, begin } = await joinFrom();
    const ended = begin();
    sender.end("question");
    expect((await outcome(receiver)).bytes.toString()).toBe("question");
    receiver.end("answer");
    expect(await outcome(sender)).toEqual({ bytes: Buffer.from("answer"), end: "end" });
    expect(await ended).toBe("OK");
  });

  it("carries a reset", async () => {
    const { sender, receiver, begin } = await joinFrom();
    const ended = begin();
    sender.write("half of a body");
    await read(receiver, 14);
    sender.resetAndDestroy();
    expect((await outcome(receiver)).end).toBe("reset");
    expect(await ended).toBe(direction === "up" ? "CLIENT_GONE" : "UPSTREAM_RESET");
  });

  it("carries a reset that follows an end at once", async () => {
    const { sender, receiver, other, begin } = await joinFrom();
    const ended = begin();
    sender.end();
    await once(other, "finish");
    receiver.resetAndDestroy();
    expect((await outcome(sender)).end).toBe("reset");
    expect(await ended).toBe(direction === "up" ? "UPSTREAM_RESET" : "CLIENT_GONE");
  });

  it("carries a reset that came before it began", async () => {
    const { sender, receiver, near, begin } = await joinFrom();
    sender.resetAndDestroy();
    await closed(near);
    const [received, reason] = await Promise.all([outcome(receiver), begin()]);
    expect(reason).toBe(direction === "up" ? "CLIENT_GONE" : "UPSTREAM_RESET");
    expect(received.end).toBe("reset");
  });

  it("holds at most 256 KiB for a reader that is slow, and loses nothing", async () => {
    const { sender, receiver, near, other, begin } = await joinFrom();
    const bytes = Buffer.alloc(24_000_000, "0123456789abcdefghijklmnopqrstuvwxyz");
    let held = 0;
    const sample = () => (held = Math.max(held, near.readableLength + other.writableLength));
    near.on("data", sample).on("resume", sample).on("pause", sample);
    receiver.pause();
    void begin();
    sender.end(bytes);
    await once(near, "pause");
    const hash = createHash("sha256");
    for await (const chunk of receiver as AsyncIterable<Buffer>) {
      hash.update(chunk);
      sample();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(hash.digest("hex")).toBe(createHash("sha256").update(bytes).digest("hex"));
    expect(held).toBeGreaterThan(64 * 1_024);
    expect(held).toBeLessThanOrEqual(256 * 1_024);
  });
});

describe("the limits of a splice", () => {
  it("reset both sides when no byte came for the idle limit", async () => {
    const { client, server, clock, begin } = await join();
    const ended = begin();
    await clock.advance(9_999);
    client.write("x");
    await read(server, 1);
    await clock.advance(9_999);
    expect([client.destroyed, server.destroyed]).toEqual([false, false]);
    await clock.advance(1);
    expect((await Promise.all([outcome(client), outcome(server)])).map(({ end }) => end)).toEqual(["reset", "reset"]);
    expect(await ended).toBe("IDLE");
  });

  it("are shorter once one side has ended, counted from that end", async () => {
    const { client, server, clock, begin } = await join();
    const ended = begin();
    await clock.advance(5_000);
    client.end();
    await outcome(server);
    await clock.advance(999);
    server.write("x");
    await read(client, 1);
    await clock.advance(999);
    expect(client.destroyed).toBe(false);
    await clock.advance(1);
    expect(await ended).toBe("IDLE");
  });

  it("leave no timer behind", async () => {
    const { client, server, clock, begin } = await join();
    const ended = begin();
    client.end();
    server.end();
    client.resume();
    server.resume();
    expect(await ended).toBe("OK");
    expect(clock.pendingCount).toBe(0);
  });
});

describe("reset", () => {
  it("closes the socket without an error, also in the turn in which its end is said", async () => {
    const { near } = await pair();
    const errors: Error[] = [];
    near.on("error", (error) => errors.push(error));
    near.end();
    await new Promise<void>((resolve) => process.nextTick(resolve));
    reset(near);
    await closed(near);
    expect(errors).toEqual([]);
  });

  it("does not wait for a peer that reads nothing", async () => {
    const { far, near } = await pair();
    far.pause();
    while (near.write(Buffer.alloc(1_000_000)));
    near.write(Buffer.alloc(10_000_000));
    near.end();
    reset(near);
    await closed(near);
    expect((await outcome(far)).end).toBe("reset");
  });
});
