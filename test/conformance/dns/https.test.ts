import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { queryBytes, readReply } from "#test/support/dns.ts";
import type { QueryOptions } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Rig, hasDig, hasKdig, optionCodes, rcodes } from "./rig.ts";

const clock = new FakeClock();
let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(111, { tcp: { idle: "10s" } }, { clock });
});
afterAll(() => rig[Symbol.asyncDispose]());

interface HttpReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}
interface HttpRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}
const media = "application/dns-message";
const get = (query: QueryOptions): HttpRequest => ({
  path: `/dns-query?dns=${queryBytes({ id: 0, ...query }).toString("base64url")}`,
});
const post = (body: Uint8Array): HttpRequest => ({ method: "POST", headers: { "content-type": media }, body });

const session = () => {
  const client = http2.connect(`https://${rig.httpsAddress}`, { rejectUnauthorized: false });
  return client.on("error", () => {}); // tests look at what comes, or at "close"
};

async function overHttp2({ method = "GET", path = "/dns-query", headers, body }: HttpRequest): Promise<HttpReply> {
  const client = session();
  const stream = client.request({ ":method": method, ":path": path, ...headers });
  stream.end(body);
  const [head] = (await once(stream, "response")) as [http2.IncomingHttpHeaders & { ":status"?: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  client.close();
  return { status: head[":status"] ?? 0, headers: head, body: Buffer.concat(chunks) };
}

async function overHttp1({ method = "GET", path = "/dns-query", headers, body }: HttpRequest): Promise<HttpReply> {
  const { host, port } = parseSocketAddress(rig.httpsAddress)!;
  const options = { host, port, method, path, rejectUnauthorized: false, agent: false, headers: { ...headers } };
  const request = https.request(options);
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

describe.each([
  { version: "HTTP/2", request: overHttp2 },
  { version: "HTTP/1.1", request: overHttp1 },
])("DNS over HTTPS (RFC 8484), $version", ({ request }) => {
  it.each([
    { name: "GET", made: get({ name: "huge.stream.test", type: 16, edns: {} }) },
    { name: "POST", made: post(queryBytes({ id: 0, name: "huge.stream.test", type: 16, edns: {} })) },
  ])("$name gives the same answer as TCP", async ({ made }) => {
    const { status, headers, body } = await request(made);
    expect([status, headers["content-type"], Number(headers["content-length"])]).toEqual([200, media, body.length]);
    const plain = await rig.askTcp({ id: 0, name: "huge.stream.test", type: 16, edns: {} });
    expect(readReply(body)).toEqual(plain);
  });

  it.each([
    { name: "the smallest TTL of the answer", query: { name: "api.stream.test" }, control: "private, max-age=10" },
    { name: "of static records", query: { name: "ns1.stream.test" }, control: "private, max-age=300" },
    { name: "the negative TTL of no such name", query: { name: "no.stream.test" }, control: "private, max-age=30" },
    { name: "and of no such type", query: { name: "ns1.stream.test", type: 16 }, control: "private, max-age=30" },
    { name: "not at all when refused", query: { name: "example.org" }, control: "no-store" },
  ])("may be kept for $name", async ({ query, control }) => {
    expect(await request(get(query))).toMatchObject({ status: 200, headers: { "cache-control": control } });
  });

  it("errors of DNS are answers of HTTP: NXDOMAIN, REFUSED and FORMERR come with 200", async () => {
    const cut = queryBytes({ id: 0 }).subarray(0, 20);
    for (const [made, rcode] of [
      [get({ name: "no.stream.test" }), rcodes.NXDOMAIN],
      [get({ name: "example.org" }), rcodes.REFUSED],
      [post(cut), rcodes.FORMERR],
    ] as const) {
      const { status, body } = await request(made);
      expect([status, readReply(body).rcode]).toEqual([200, rcode]);
    }
  });

  const query = queryBytes({ id: 0 }).toString("base64url");
  it.each([
    { name: "another path", made: { path: `/?dns=${query}` }, status: 404 },
    { name: "a path below", made: { path: `/dns-query/x?dns=${query}` }, status: 404 },
    { name: "GET without dns", made: {}, status: 400 },
    { name: "GET with an empty dns", made: { path: "/dns-query?dns=" }, status: 400 },
    { name: "GET with two", made: { path: `/dns-query?dns=${query}&dns=${query}` }, status: 400 },
    { name: "GET with padding", made: { path: "/dns-query?dns=AAAA==" }, status: 400 },
    { name: "GET in base64, not base64url", made: { path: "/dns-query?dns=AA+/AA" }, status: 400 },
    { name: "GET of less than a header", made: { path: "/dns-query?dns=AAAA" }, status: 400 },
    { name: "GET of a DNS reply", made: get({ flags: 0x8000 }), status: 400 },
    { name: "POST of nothing", made: post(new Uint8Array(0)), status: 400 },
    { name: "POST of 65536 bytes", made: post(new Uint8Array(65_536)), status: 413 },
    { name: "POST as text", made: { ...post(queryBytes()), headers: { "content-type": "text/plain" } }, status: 415 },
    { name: "POST without a type", made: { method: "POST", body: queryBytes() }, status: 415 },
    { name: "PUT", made: { ...post(queryBytes()), method: "PUT" }, status: 405 },
    { name: "DELETE", made: { method: "DELETE" }, status: 405 },
    { name: "HEAD", made: { method: "HEAD", path: `/dns-query?dns=${query}` }, status: 405 },
  ])("$name is $status", async ({ made, status }) => {
    const reply = await request(made);
    expect(reply.status).toBe(status);
    if (status === 405) expect(reply.headers["allow"]).toBe("GET, POST");
  });

  it("other parameters and those of the media type mean nothing", async () => {
    expect((await request({ path: `/dns-query?a=b&dns=${query}&c` })).status).toBe(200);
    const headers = { "content-type": "Application/DNS-Message; x=y" };
    expect((await request({ ...post(queryBytes()), headers })).status).toBe(200);
  });

  it("the reply is padded to 468 bytes if the query was; keepalive means nothing here", async () => {
    const options = [
      [optionCodes.padding, Buffer.alloc(9)],
      [optionCodes.keepalive, Buffer.of(0, 1)],
    ] as const;
    const { body } = await request(get({ edns: { options } }));
    expect(body).toHaveLength(468);
    expect([...readReply(body).opt!.options.keys()]).toEqual([optionCodes.padding]);
  });
});

describe("what one client can do over HTTP/2", () => {
  it("a thousand queries on one connection are all answered", async () => {
    const client = session();
    const ask = async () => {
      const stream = client.request({ ":path": get({}).path });
      const [head] = (await once(stream, "response")) as [{ ":status"?: number }];
      stream.resume();
      return head[":status"];
    };
    for (let round = 0; round < 20; round++)
      expect(await Promise.all(Array.from({ length: 50 }, ask))).toEqual(Array<number>(50).fill(200));
    client.close();
  });

  it("streams that are opened and reset in a row end its session, and harm nobody else", async () => {
    const client = session();
    const closed = new Promise((resolve) => client.once("close", resolve)); // once() would take its error for a failure
    await once(client, "connect");
    for (let i = 0; i < 2_000 && !client.destroyed; i++) {
      const stream = client.request({ ":method": "POST", ":path": "/dns-query", "content-type": media });
      stream.on("error", () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
      if (i % 50 === 49) await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect((await overHttp2(get({}))).status).toBe(200);
  });

  it("a body that does not come is refused after 5 s; who is idle is closed", async () => {
    const client = session();
    const closed = once(client, "close");
    const stream = client.request({ ":method": "POST", ":path": "/dns-query", "content-type": media });
    stream.write(Buffer.of(0, 1));
    await overHttp2(get({})); // the server has seen the request before
    await clock.advance(5_000);
    const [head] = (await once(stream, "response")) as [{ ":status"?: number }];
    expect(head[":status"]).toBe(408);
    await clock.advance(5_000);
    await closed;
  });
});

describe("real clients", () => {
  it.skipIf(!hasKdig)("kdig +https by POST and GET (skipped without kdig)", async () => {
    for (const option of ["+https", "+https-get"]) {
      const printed = await rig.kdig([option, "+padding", "www.stream.test"], rig.httpsAddress);
      expect(printed).toMatch(/HTTP session \(HTTP\/2-(POST|GET)\)-\(.*\/dns-query\)-\(status: 200\)/);
      expect(printed).toMatch(/status: NOERROR[^]*Received 468 B/);
    }
  });

  it.skipIf(!hasDig)("dig +https by POST and GET (skipped without dig)", async () => {
    for (const option of ["+https", "+https-get"])
      expect(await rig.digTo(rig.httpsAddress, option, "+nsid", "www.stream.test")).toMatch(/NOERROR[^]*NSID[^]*HTTPS/);
  });
});
