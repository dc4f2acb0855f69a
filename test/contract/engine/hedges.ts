import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Script, SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";
import type { RigOptions } from "./rig.ts";

const bodyOf = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
const unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
const soon = { attempts: 2, hedge: { after: "20ms" } };

/** Requests in the order in which they came, at whichever server. */
interface Arrivals {
  readonly seen: SeenRequest[];
  readonly script: Script;
}

/** @param onArrival is told of each with its number, from 0 */
function arrivals(onArrival: (number: number, seen: readonly SeenRequest[]) => void = () => {}): Arrivals {
  const seen: SeenRequest[] = [];
  const onRequest = (request: SeenRequest): void => onArrival(seen.push(request) - 1, seen);
  return { seen, script: { onRequest } };
}

/** A second try beside a first that is slow. */
export function describeHedges(engine: EngineName): void {
  const start = ({ script }: Arrivals, options: Partial<RigOptions> = {}) =>
    Rig.start({ engine, scripts: [script, script], pool: { retries: soon }, ...options });

  describe("hedges", () => {
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      it(`a ${method} whose server is silent: a second endpoint answers, the first connection ends at once`, async () => {
        const came = arrivals((number, seen) => number === 1 && seen[1]?.socket.write(bodyOf("second")));
        await using rig = await start(came);
        const client = await rig.client();
        client.send(head(`${method} / HTTP/1.1`));
        expect((await client.answer(method)).status).toBe(200);
        const [first, second] = came.seen;
        expect(first?.socket.localPort).not.toBe(second?.socket.localPort);
        await rig.backend.until(() => first?.socket.destroyed === true || first?.socket.readableEnded === true);
        client.send(head("GET /next HTTP/1.1")); // The connection that won is kept.
        await rig.backends[0]?.until(() => came.seen.length > 2 || rig.backends[1]?.requests.length === 2);
      });
    }

    it("the first answers first: the second connection ends at once", async () => {
      const came = arrivals((number, seen) => number === 1 && seen[0]?.socket.write(bodyOf("first")));
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).body).toBe("first");
      const [, second] = came.seen;
      await Promise.race(rig.backends.map((backend) => backend.until(() => second?.socket.destroyed === true)));
      expect(came.seen).toHaveLength(2);
    });

    for (const [name, request] of [
      ["a POST", `${head("POST / HTTP/1.1", "Content-Length: 2")}hi`],
      ["a POST without a body", head("POST / HTTP/1.1", "Content-Length: 0")],
      ["a PUT", head("PUT / HTTP/1.1", "Content-Length: 0")],
      ["a DELETE", head("DELETE / HTTP/1.1")],
      ["a GET with a body", `${head("GET / HTTP/1.1", "Content-Length: 2")}hi`],
    ] as const) {
      it(`${name} is never sent twice`, async () => {
        const came = arrivals((number, seen) => {
          if (number === 2) for (const { socket } of seen) socket.write(bodyOf("ok"));
        });
        await using rig = await start(came);
        const [client, later] = [await rig.client(), await rig.client()];
        client.send(request);
        await Promise.race(rig.backends.map((backend) => backend.until(() => came.seen.length === 1)));
        later.send(head("GET /later HTTP/1.1")); // Its second try comes when one of the first request would have come.
        expect((await client.answer()).status).toBe(200);
        expect((await later.answer()).status).toBe(200);
        const lines = came.seen.map(({ line }) => line.split(" ")[1]);
        expect(lines).toEqual(["/", "/later", "/later"]);
      });
    }

    it("without a retry budget there is none", async () => {
      const came = arrivals();
      await using rig = await start(came, { pool: { retries: { ...soon, budgetPercent: 0 } } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await expect.poll(() => rig.host.metrics.render()).toMatch(/hedges_total\{pool="main",result="no budget".*\} 1/);
      came.seen[0]?.socket.write(bodyOf("first"));
      expect((await client.answer()).body).toBe("first");
      expect(came.seen).toHaveLength(1);
    });

    it("the first is reset once the second is under way: the second answers", async () => {
      const came = arrivals((number, seen) => {
        if (number !== 1) return;
        seen[0]?.socket.once("close", () => seen[1]?.socket.write(bodyOf("second")));
        seen[0]?.socket.resetAndDestroy();
      });
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).body).toBe("second");
    });

    it("the second is reset: the first still answers, and no third is asked", async () => {
      const came = arrivals((number, seen) => {
        if (number !== 1) return;
        seen[1]?.socket.once("close", () => seen[0]?.socket.write(bodyOf("first")));
        seen[1]?.socket.resetAndDestroy();
      });
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).body).toBe("first");
      expect(came.seen).toHaveLength(2);
    });

    it("both are reset: 502, as many tries as attempts say", async () => {
      const came = arrivals((number, seen) => {
        if (number === 1) for (const { socket } of seen) socket.resetAndDestroy();
      });
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(502);
      expect(came.seen).toHaveLength(2);
    });

    it("both are silent: the limit of the request ends both", async () => {
      const came = arrivals();
      await using rig = await start(came, { config: { timeouts: { request: "200ms" } } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).header("x-watershed-reason")).toBe("TIMEOUT");
      for (const backend of rig.backends)
        await backend.until(() => backend.sockets.every((socket) => socket.destroyed));
    });

    for (const [which, bad, good] of [
      ["second", 1, 0],
      ["first", 0, 1],
    ] as const) {
      it(`a 503 of the ${which} is no answer while the other is asked`, async () => {
        const came = arrivals((number, seen) => {
          if (number !== 1) return;
          seen[bad]?.socket.write(unavailable);
          seen[bad]?.socket.once("close", () => seen[good]?.socket.write(bodyOf("good")));
        });
        await using rig = await start(came);
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).body).toBe("good");
      });
    }

    it("a client that leaves ends both", async () => {
      const came = arrivals();
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await Promise.race(rig.backends.map((backend) => backend.until(() => came.seen.length === 2)));
      const leftMs = performance.now();
      client.socket.destroy();
      for (const backend of rig.backends)
        await backend.until(() => backend.sockets.every((socket) => socket.destroyed));
      expect(performance.now() - leftMs).toBeLessThan(1_000);
      const [pool] = rig.router.pools();
      await expect.poll(() => pool?.status().endpoints.map(({ active }) => active)).toEqual([0, 0]);
    });

    it("the second try goes to another zone first", async () => {
      const came = arrivals((number, seen) => number === 1 && seen[1]?.socket.write(bodyOf("ok")));
      await using rig = await start(came, { scripts: [came.script, came.script, came.script] });
      const zones = ["a", "a", "b"];
      const endpoints = rig.backends.map(({ address }, i) => ({ address, zone: zones[i] }));
      for (let i = 0; i < 2; i++) {
        await rig.reload({
          routes: [{ match: {}, pool: `zoned-${i}` }],
          pools: { [`zoned-${i}`]: { endpoints, retries: soon } },
        });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).status).toBe(200);
        const seenBy = rig.backends.map(({ requests }) => requests.length);
        expect(seenBy[2]).toBe(i + 1); // Of each pair one came here.
        came.seen.length = 0;
      }
    });

    it("trace, metrics and counts tell of both tries", async () => {
      const came = arrivals((number, seen) => number === 1 && seen[1]?.socket.write(bodyOf("second")));
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "X-Watershed-Trace: hedged-request"));
      await client.answer();
      await expect
        .poll(() => rig.host.decisions.find("hedged-request"))
        .toMatchObject({
          attempts: [
            { outcome: "HEDGED", hedge: false, choice: { reason: "OK" } },
            { outcome: "OK", hedge: true, choice: { reason: "OK" } },
          ],
        });
      const text = await rig.host.metrics.render();
      expect(text).toMatch(/watershed_http_hedges_total\{pool="main",result="won".*\} 1/);
      expect(text).toMatch(/watershed_attempts_total\{.*result="HEDGED".*\} 1/);
      expect(text).not.toMatch(/watershed_http_retries_total\{/);
      const [pool] = rig.router.pools();
      expect(pool?.status().endpoints.map(({ active }) => active)).toEqual([0, 0]);
      expect(rig.router.status()["activeRequests"]).toBe(0);
    });

    it("the access log says what became of it", async () => {
      const came = arrivals((number, seen) => number === 1 && seen[0]?.socket.write(bodyOf("first")));
      const file = join(await mkdtemp(join(tmpdir(), "watershed-")), "access.log");
      await using rig = await start(came, { config: { accessLog: { to: file } } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      await expect.poll(() => readFile(file, "utf8")).toMatch(/"attempts":2,"hedge":"lost"/);
    });

    it.each([
      {
        method: "GET",
        verdict: "after 20 ms without an answer at a second endpoint as well, if the retry budget has it",
      },
      { method: "POST", verdict: "never: POST is not safe" },
    ])("explain says of a $method: $verdict", async ({ method, verdict }) => {
      await using rig = await start(arrivals());
      const { policies } = rig.router.explain(new URLSearchParams({ method, url: "/" }));
      expect(policies).toEqual([{ policy: "hedge", verdict }]);
    });

    it("a large answer of the second comes whole", async () => {
      const large = "x".repeat(3_000_000);
      const came = arrivals((number, seen) => number === 1 && seen[1]?.socket.write(bodyOf(large)));
      await using rig = await start(came);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).body).toBe(large);
    });
  });
}
