import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const silent: Script = { onRequest: () => {} };

/** Copies of requests, for servers that are tried out. */
export function describeMirrors(engine: EngineName): void {
  describe("mirrors", () => {
    const start = async (shadow: Script, mirror: Record<string, unknown> = {}, random?: () => number): Promise<Rig> => {
      const rig = await Rig.start({ engine, scripts: [{}, shadow], ...(random && { host: { random } }) });
      const [main, copy] = rig.backends.map(({ address }) => ({ endpoints: [{ address }] }));
      await rig.reload({
        routes: [{ match: {}, pool: "main", mirror: { pool: "copy", ...mirror } }],
        pools: { main, copy },
      });
      return rig;
    };
    const counted = async (rig: Rig, result: string): Promise<number> => {
      const text = await rig.host.metrics.render();
      return Number(new RegExp(`mirrored_total\\{pool="copy",result="${result}"[^}]*\\} (\\d+)`).exec(text)?.[1] ?? 0);
    };
    const until = async (holds: () => Promise<boolean>) => {
      while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
    };

    it("send a marked copy, and the client gets the answer of its own server", async () => {
      await using rig = await start({});
      const client = await rig.client();
      client.send(head("GET /a?b=1 HTTP/1.1", "X-A: 1"));
      expect((await client.answer()).body).toBe("ok");
      const [main, copy] = rig.backends;
      await copy?.until(() => copy.requests.length === 1);
      const [original, copied] = [main?.requests[0], copy?.requests[0]];
      expect([copied?.line, copied?.values("x-watershed-mirror")]).toEqual(["GET /a?b=1 HTTP/1.1", ["true"]]);
      expect(copied?.headers.filter(([name]) => name !== "X-Watershed-Mirror")).toEqual(original?.headers);
      await until(async () => (await counted(rig, "OK")) === 1);
    });

    it("copy bodies where the config names the method, length and chunks alike", async () => {
      await using rig = await start({}, { methods: ["POST"] });
      const client = await rig.client();
      client.send(`${head("POST /1 HTTP/1.1", "Content-Length: 3")}abc`);
      client.send(`${head("POST /2 HTTP/1.1", "Transfer-Encoding: chunked")}2\r\nde\r\n1\r\nf\r\n0\r\n\r\n`);
      client.send(head("GET /3 HTTP/1.1"));
      for (let i = 0; i < 3; i++) expect((await client.answer()).body).toBe("ok");
      const copy = rig.backends[1]!;
      await copy.until(() => copy.requests.length === 2);
      expect(copy.requests.map(({ body }) => body).toSorted()).toEqual(["abc", "def"]);
    });

    for (const { name, script, result } of [
      { name: "refuses", script: undefined, result: "CONNECT_FAILED" },
      {
        name: "resets",
        script: { onRequest: ({ socket }) => socket.resetAndDestroy() } satisfies Script,
        result: "UPSTREAM_RESET",
      },
      {
        name: "talks noise",
        script: { onRequest: ({ socket }) => void socket.write("noise\r\n\r\n") } satisfies Script,
        result: "UPSTREAM_INVALID",
      },
    ])
      it(`a shadow that ${name} is counted, and nobody notices`, async () => {
        await using rig = await start(script ?? {});
        if (!script) await rig.backends[1]?.[Symbol.asyncDispose]();
        const client = await rig.client();
        for (let i = 0; i < 3; i++) {
          client.send(head("GET / HTTP/1.1"));
          expect((await client.answer()).body).toBe("ok");
        }
        await until(async () => (await counted(rig, result)) === 3);
      });

    it("a shadow that hangs holds up nobody, and only so many copies", async () => {
      await using rig = await start(silent);
      const client = await rig.client();
      for (let i = 0; i < 150; i++) {
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).body).toBe("ok");
      }
      expect(await counted(rig, "LIMIT_REACHED")).toBe(150 - 128);
    });

    it("a body beyond the bound goes to its server alone", async () => {
      await using rig = await start({}, { methods: ["POST"], bodyBytes: "10B" });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 11")}hello world`);
      expect((await client.answer()).body).toBe("ok");
      expect(await counted(rig, "BODY_TOO_LARGE")).toBe(1);
      expect(rig.backends[1]?.sockets).toEqual([]);
    });

    it("a copy is not copied again, and a share is drawn", async () => {
      let drawn = 0.05;
      await using rig = await start({}, { percent: 10 }, () => drawn);
      const client = await rig.client();
      client.send(head("GET /marked HTTP/1.1", "X-Watershed-Mirror: true"));
      await client.answer();
      drawn = 0.5;
      client.send(head("GET /not-drawn HTTP/1.1"));
      await client.answer();
      drawn = 0.05;
      client.send(head("GET /drawn HTTP/1.1"));
      await client.answer();
      const copy = rig.backends[1]!;
      await copy.until(() => copy.requests.length > 0);
      expect(copy.requests.map(({ line }) => line)).toEqual(["GET /drawn HTTP/1.1"]);
    });
  });
}
