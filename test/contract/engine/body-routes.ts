import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Script, ScriptedBackend, SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const json = "Content-Type: application/json";
const pro = '{"plan":"pro"}';
const named = (name: string) => ({
  onRequest: ({ socket }: SeenRequest) =>
    void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${name.length}\r\n\r\n${name}`),
});

const answersAtOnce: Script = {
  onHead(request) {
    named("rest").onRequest(request);
    return true;
  },
};

/** Routes that ask for a field of the body. */
export function describeBodyRoutes(engine: EngineName): void {
  describe("routes by body", () => {
    const start = async (config: Record<string, unknown> = {}, rest: Script = named("rest")): Promise<Rig> => {
      const rig = await Rig.start({ engine, scripts: [named("pro"), rest] });
      const [first, second] = rig.backends.map(({ address }) => address);
      await rig.reload({
        routes: [
          { match: { path: "/orders", methods: ["POST", "PUT"], body: { json: "/plan", equals: "pro" } }, pool: "pro" },
          { match: { path: "/forms", body: { form: "plan", equals: "pro" } }, pool: "pro" },
          { match: {}, pool: "rest" },
        ],
        pools: { pro: { endpoints: [{ address: first }] }, rest: { endpoints: [{ address: second }] } },
        ...config,
      });
      return rig;
    };
    const only = (backend: ScriptedBackend | undefined) => backend?.requests[0];

    for (const { name, request, pool, body } of [
      {
        name: "a field of JSON",
        request: head("POST /orders HTTP/1.1", json, `Content-Length: ${pro.length}`) + pro,
        pool: "pro",
        body: pro,
      },
      {
        name: "a field of JSON in chunks",
        request: `${head("POST /orders HTTP/1.1", json, "Transfer-Encoding: chunked", "Trailer: X-Sum")}7\r\n{"plan"\r\n7\r\n:"pro"}\r\n0\r\nX-Sum: 7\r\n\r\n`,
        pool: "pro",
        body: pro,
      },
      {
        name: "a field of a form",
        request: `${head("POST /forms HTTP/1.1", "Content-Type: application/x-www-form-urlencoded", "Content-Length: 8")}plan=pro`,
        pool: "pro",
        body: "plan=pro",
      },
      {
        name: "another value",
        request: `${head("POST /orders HTTP/1.1", json, "Content-Length: 15")}{"plan":"free"}`,
        pool: "rest",
        body: '{"plan":"free"}',
      },
      {
        name: "no JSON",
        request: `${head("POST /orders HTTP/1.1", json, "Content-Length: 5")}{"pla`,
        pool: "rest",
        body: '{"pla',
      },
    ])
      it(`${name} leads to ${pool}, and the body goes on as it came, with a second request behind it`, async () => {
        await using rig = await start();
        const client = await rig.client();
        client.send(request + head("GET /next HTTP/1.1"));
        expect((await client.answer()).body).toBe(pool);
        expect((await client.answer()).body).toBe("rest");
        expect(only(rig.backends[pool === "pro" ? 0 : 1])?.body).toBe(body);
      });

    it("trailers of a body that was held back go on with it", async () => {
      await using rig = await start();
      const client = await rig.client();
      const lines = [json, "Transfer-Encoding: chunked", "Trailer: X-Sum", "TE: trailers"];
      client.send(`${head("POST /orders HTTP/1.1", ...lines)}e\r\n${pro}\r\n0\r\nX-Sum: 7\r\n\r\n`);
      expect((await client.answer()).body).toBe("pro");
      expect(only(rig.backends[0])?.trailers).toEqual(["X-Sum: 7"]);
    });

    it("cut at every byte is the same request", async () => {
      await using rig = await start();
      const text = `${head("POST /orders HTTP/1.1", json, "Transfer-Encoding: chunked")}e\r\n${pro}\r\n0\r\n\r\n`;
      const from = text.indexOf("\r\n\r\n");
      for (let at = from; at < text.length; at++) {
        const client = await rig.client();
        client.send(text.slice(0, at));
        await new Promise((resolve) => setImmediate(resolve));
        client.send(text.slice(at));
        expect((await client.answer()).body).toBe("pro");
      }
      expect(rig.backends[0]?.requests.every(({ body }) => body === pro)).toBe(true);
    });

    it("a client that expects a 100 gets it from the router, and the server is asked for none", async () => {
      await using rig = await start();
      const client = await rig.client();
      client.send(head("POST /orders HTTP/1.1", json, `Content-Length: ${pro.length}`, "Expect: 100-continue"));
      expect((await client.answer()).status).toBe(100);
      client.send(pro);
      expect((await client.answer()).body).toBe("pro");
      expect(only(rig.backends[0])?.values("expect")).toEqual([]);
      expect(only(rig.backends[0])?.body).toBe(pro);
    });

    it("what no such route can take is not held back: its head reaches the server before its body", async () => {
      await using rig = await start({}, answersAtOnce);
      for (const request of [
        head("POST /other HTTP/1.1", json, "Content-Length: 14"),
        head("POST /orders HTTP/1.1", "Content-Type: text/plain", "Content-Length: 14"),
        head("PATCH /orders HTTP/1.1", json, "Content-Length: 14"),
        head("POST /orders HTTP/1.1", json, "Content-Length: 70000"),
      ]) {
        const client = await rig.client();
        client.send(request); // and no body: it would wait for ever if it were held back
        expect((await client.answer()).body).toBe("rest");
      }
      expect(rig.backends[0]?.sockets).toEqual([]);
    });

    it("a body that turns out too large goes on whole, by the next route that matches", async () => {
      await using rig = await start();
      const client = await rig.client();
      const text = `{"plan":"pro","x":"${"x".repeat(200_000)}"}`;
      client.send(head("POST /orders HTTP/1.1", json, "Transfer-Encoding: chunked"));
      for (let at = 0; at < text.length; at += 30_000) {
        const piece = text.slice(at, at + 30_000);
        client.send(`${piece.length.toString(16)}\r\n${piece}\r\n`);
      }
      client.send(`0\r\n\r\n${head("GET /next HTTP/1.1")}`);
      expect((await client.answer()).body).toBe("rest");
      expect((await client.answer()).body).toBe("rest");
      expect(only(rig.backends[1])?.body).toBe(text);
    });

    it("a body that comes too slowly is answered 408, however it keeps coming", async () => {
      await using rig = await start({ timeouts: { body: "200ms" } });
      const client = await rig.client();
      client.send(head("POST /orders HTTP/1.1", json, "Content-Length: 1000"));
      const drip = setInterval(() => client.send(" "), 20);
      const answer = await client.answer();
      clearInterval(drip);
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([408, "TIMEOUT"]);
      expect(rig.backends.flatMap(({ sockets }) => sockets)).toEqual([]);
    });

    it("a broken body is answered 400, and a client that leaves within it costs no server anything", async () => {
      await using rig = await start();
      const client = await rig.client();
      client.send(`${head("POST /orders HTTP/1.1", json, "Transfer-Encoding: chunked")}1\r\n{\r\nxyz\r\n`);
      expect((await client.answer()).status).toBe(400);
      const other = await rig.client();
      other.send(`${head("POST /orders HTTP/1.1", json, "Content-Length: 14")}{"plan"`);
      other.socket.resetAndDestroy();
      const third = await rig.client();
      third.send(`${head("POST /orders HTTP/1.1", json, "Content-Length: 14")}${pro}`);
      expect((await third.answer()).body).toBe("pro");
      expect(rig.backends[0]?.requests).toHaveLength(1);
    });

    it("a POST to a server that refuses is tried at the next one with its body", async () => {
      await using rig = await start();
      await rig.reload({
        routes: [{ match: { body: { json: "/plan", equals: "pro" } }, pool: "pro" }],
        pools: {
          pro: { endpoints: [{ address: "127.0.0.1:1" }, { address: rig.backend.address }], retries: { attempts: 2 } },
        },
      });
      for (let i = 0; i < 2; i++) {
        const client = await rig.client();
        client.send(head("POST /a HTTP/1.1", json, `Content-Length: ${pro.length}`) + pro);
        expect((await client.answer()).status).toBe(200);
      }
      expect(rig.backend.requests.map(({ body }) => body)).toEqual([pro, pro]);
    });

    it("explain says what the body has to do with it", async () => {
      await using rig = await start();
      const why = (query: Record<string, string>) => {
        const told = rig.router.explain(new URLSearchParams({ method: "POST", url: "/orders", ...query }));
        return (told["routes"] as { why: string }[])[0]?.why;
      };
      const type = { "header.content-type": "application/json" };
      expect([
        why({}),
        why({ ...type, body: pro }),
        why({ ...type, body: '{"plan":"free"}' }),
        why({ body: pro }),
        why({ ...type, body: "x".repeat(70_000) }),
      ]).toEqual([
        "the request has no body",
        "",
        '/plan of the body is "free"',
        "body is of no type, wanted JSON",
        "body is larger than 65536 bytes, so it was not read",
      ]);
    });
  });
}
