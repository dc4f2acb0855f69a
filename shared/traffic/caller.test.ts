import http from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { Packet } from "dns2";
import { listenUdp } from "#shared/net/listen-udp.ts";
import { listenServer } from "#shared/net/listen.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { Caller } from "./caller.ts";

let open: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(open.map((close) => close()));
  open = [];
});

const net = "127.170.0"; // of this file alone: files run side by side
const client = { address: `${net}.7`, country: "DE", localAddress: `${net}.7`, subnet: null };
const get = { method: "GET", path: "/a" };
const target = { host: "www.test", address: null, port: null, hostHeader: "www.test", path: "/a" };

function node(service: TopologyNode["service"], name: string, region: string | null, listen: string): TopologyNode {
  const host = listen.slice(0, listen.lastIndexOf(":"));
  const protocol = service === "geodns" ? "udp+tcp" : "tcp";
  const listens = [{ address: listen, protocol, what: "" }] as const;
  return { name, service, region, zone: null, address: host, localAddress: host, admin: `${host}:1`, listens };
}

/** A name server that gives these addresses, or says `rcode`. */
async function nameServer(host: string, addresses: readonly string[], rcode = 0) {
  let asked = 0;
  const listener = await listenUdp({
    address: `${host}:0`,
    onDatagram(datagram, from, self) {
      asked++;
      const query = Packet.parse(datagram);
      const reply = new Packet(new Packet.Header({ id: query.header.id, qr: 1, rcode }));
      reply.questions = query.questions;
      for (const address of addresses)
        reply.answers.push(
          new Packet.Resource({ name: "www.test", type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 600, address }),
        );
      const message = reply.toBuffer();
      self.send(message, message.length, from);
    },
  });
  open.push(() => listener.close());
  return { node: node("geodns", `ns-${host}`, null, listener.address), asked: () => asked };
}

async function router(
  host: string,
  region: string,
  status: number,
  onRequest: (request: http.IncomingMessage) => void = () => {},
): Promise<TopologyNode> {
  const server = http.createServer((request, response) => {
    onRequest(request);
    response.writeHead(status, { "X-Origin-Server": "web-1" }).end(`${request.headers.host} ${request.url}`);
  });
  const listener = await listenServer(server, `${host}:0`);
  open.push(async () => {
    server.closeAllConnections();
    await listener.close();
  });
  return node("l7-router", `${region}/l7`, region, listener.address);
}

describe("a client under load", () => {
  it("asks DNS once for the life of the answer, and is told who answered", async () => {
    const routers = [await router(`${net}.1`, "eu-west", 200)];
    const ns = await nameServer(`${net}.53`, [`${net}.1`]);
    const caller = new Caller([ns.node, ...routers], client, target);
    for (let i = 0; i < 3; i++)
      expect(await caller.ask(get)).toMatchObject({ by: "eu-west", failure: null, retries: 0 });
    expect(ns.asked()).toBe(1);
  });

  it("asks the next name server where one refuses", async () => {
    const routers = [await router(`${net}.1`, "eu-west", 200)];
    const refusing = await nameServer(`${net}.54`, [], 5);
    const ns = await nameServer(`${net}.53`, [`${net}.1`]);
    expect(await new Caller([refusing.node, ns.node, ...routers], client, target).ask(get)).toMatchObject({
      failure: null,
    });
    expect(await new Caller([refusing.node, ...routers], client, target).ask(get)).toMatchObject({
      by: null,
      failure: expect.stringMatching(/^ns-.*: REFUSED, no address$/),
    });
  });

  it("tries the next address where one takes no connection, and that one last from then on", async () => {
    const gone = node("l7-router", "eu-west/l7-0", "eu-west", `${net}.2:9`);
    const routers = [gone, await router(`${net}.1`, "eu-west", 200)];
    const ns = await nameServer(`${net}.53`, [`${net}.2`, `${net}.1`]);
    const caller = new Caller([ns.node, ...routers], client, target);
    expect(await caller.ask(get)).toMatchObject({ by: "eu-west", retries: 1 });
    expect(await caller.ask(get)).toMatchObject({ by: "eu-west", retries: 0 });
  });

  it("fails where the last address is silent, and at once where one answers with an error", async () => {
    const gone = node("l7-router", "eu-west/l7-0", "eu-west", `${net}.2:9`);
    const ns = await nameServer(`${net}.53`, [`${net}.2`]);
    expect(await new Caller([ns.node, gone], client, target).ask(get)).toMatchObject({
      by: null,
      failure: `connect to ${net}.2:9 refused`,
    });
    const broken = await router(`${net}.3`, "eu-west", 502);
    const both = await nameServer(`${net}.55`, [`${net}.3`, `${net}.2`]);
    expect(await new Caller([both.node, broken, gone], client, target).ask(get)).toMatchObject({
      failure: `${net}.3: 502`,
      retries: 0,
    });
  });

  it("keeps connections for safe methods where that is wanted, and gives each other request one of its own", async () => {
    const ports = new Set<number | undefined>();
    const routers = [await router(`${net}.1`, "eu-west", 200, (request) => ports.add(request.socket.remotePort))];
    const ns = await nameServer(`${net}.53`, [`${net}.1`]);
    const caller = new Caller([ns.node, ...routers], client, target, { keepConnections: true });
    for (let i = 0; i < 3; i++) expect(await caller.ask(get)).toMatchObject({ failure: null, retries: 0 });
    expect(ports.size).toBe(1);
    const post = { method: "POST", path: "/a", body: "x" };
    for (let i = 0; i < 2; i++) expect(await caller.ask(post)).toMatchObject({ failure: null });
    expect(ports.size).toBe(3);
    caller.close();
  });

  it("asks the same address once more where a kept connection was just closed", async () => {
    let requests = 0;
    const routers = [
      await router(`${net}.1`, "eu-west", 200, (request) => {
        if (++requests === 2) request.socket.resetAndDestroy();
      }),
    ];
    const ns = await nameServer(`${net}.53`, [`${net}.1`]);
    const caller = new Caller([ns.node, ...routers], client, target, { keepConnections: true });
    expect(await caller.ask(get)).toMatchObject({ failure: null, retries: 0 });
    expect(await caller.ask(get)).toMatchObject({ by: "eu-west", failure: null, retries: 1 });
    caller.close();
  });

  it("sends a POST to the next address only where nothing of it was sent", async () => {
    const post = { method: "POST", path: "/a" };
    const refusing = node("l7-router", "eu-west/l7-0", "eu-west", `${net}.2:9`);
    const good = await router(`${net}.1`, "eu-west", 200);
    const ns = await nameServer(`${net}.53`, [`${net}.2`, `${net}.1`]);
    expect(await new Caller([ns.node, refusing, good], client, target).ask(post)).toMatchObject({
      by: "eu-west",
      retries: 1,
    });
    const resetting = await router(`${net}.3`, "eu-west", 200, ({ socket }) => socket.resetAndDestroy());
    const both = await nameServer(`${net}.55`, [`${net}.3`, `${net}.1`]);
    const outcome = await new Caller([both.node, resetting, good], client, target).ask(post);
    expect(outcome).toMatchObject({ by: null, status: null, retries: 0 });
    expect(outcome.failure).toContain(`${net}.3:`);
  });

  it("is told which server answered", async () => {
    const routers = [await router(`${net}.1`, "eu-west", 200)];
    const ns = await nameServer(`${net}.53`, [`${net}.1`]);
    expect(await new Caller([ns.node, ...routers], client, target).ask(get)).toMatchObject({
      server: "web-1",
      status: 200,
    });
  });
});
