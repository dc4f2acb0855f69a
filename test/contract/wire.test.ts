import { describe, expect, it } from "vitest";
import { Rig, head } from "./engine/rig.ts";

const engine = "wire";

/** What only the wire engine promises. */
describe("the wire engine", () => {
  it("answers every pipelined request in order, however many there are", async () => {
    await using rig = await Rig.start({ engine });
    const client = await rig.client();
    const count = 3_000; // their heads are more than it holds at a time
    let sent = "";
    for (let i = 0; i < count; i++) sent += head(`GET /${i} HTTP/1.1`);
    client.send(sent);
    for (let i = 0; i < count; i++) expect((await client.answer()).status).toBe(200);
    expect(rig.backend.requests.map(({ line }) => line)).toEqual(
      Array.from({ length: count }, (_, i) => `GET /${i} HTTP/1.1`),
    );
    expect(rig.backend.sockets).toHaveLength(1);
  });

  it("answers pipelined requests of its own without end on the stack", async () => {
    await using rig = await Rig.start({ engine });
    const client = await rig.client();
    client.send(head("GET /health HTTP/1.1").repeat(20_000));
    for (let i = 0; i < 20_000; i++) expect((await client.answer()).status).toBe(200);
  });

  it("forgives one empty line before a request, as RFC 9112 asks", async () => {
    await using rig = await Rig.start({ engine });
    const client = await rig.client();
    client.send(`\r\n${head("GET / HTTP/1.1")}`);
    expect((await client.answer()).status).toBe(200);
    client.send("\r\n\r\n");
    expect((await client.answer()).status).toBe(400);
  });

  it("sends the head of a request and a body that has come in one piece, and so back", async () => {
    const seen: string[] = [];
    await using rig = await Rig.start({
      engine,
      scripts: [{ onConnection: (socket) => void socket.on("data", (chunk) => seen.push(chunk.toString("latin1"))) }],
    });
    const got: string[] = [];
    const client = await rig.client();
    client.socket.on("data", (chunk) => got.push(chunk.toString("latin1")));
    client.send(`${head("POST / HTTP/1.1", "Content-Length: 5")}hello`);
    await client.answer();
    expect([seen.length, got.length]).toEqual([1, 1]);
    expect([seen[0]?.endsWith("hello"), got[0]?.endsWith("ok")]).toEqual([true, true]);
  });

  it("closes a connection on which nothing came, without a word", async () => {
    await using rig = await Rig.start({ engine, config: { timeouts: { head: "50ms" } } });
    const client = await rig.client();
    expect(await client.ended).toBe("end");
    expect(client.unread).toBe("");
  });
});
