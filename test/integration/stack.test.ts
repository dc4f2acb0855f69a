import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodesOf } from "#shared/topology/topology.ts";
import { Client, loadDuring } from "#test/support/client.ts";
import { isAlive, seenBy, startStack } from "#test/support/stack.ts";
import type { TestStack } from "#test/support/stack.ts";
import { throwAtTcp, throwAtUdp } from "#test/support/garbage.ts";
import { hasClient } from "#test/support/real-clients.ts";

const run = promisify(execFile);
const site = "www.stream.test";
let stack: TestStack;
let german: Client;
let american: Client;

beforeAll(async () => {
  stack = await startStack({ nameServers: 153, euWest: 111, usEast: 112 });
  const nameServers = ["127.153.0.1:5300", "127.153.0.2:5300"];
  german = new Client("127.49.0.7", nameServers);
  american = new Client("127.1.0.7", nameServers);
});
afterAll(() => stack?.[Symbol.asyncDispose]());

const admin = (node: string) => stack.node(node).admin;

async function drill(zone: string, what: string): Promise<void> {
  const response = await fetch(`http://${admin(`${zone}/origin`)}/${what}`, { method: "POST" });
  expect(response.status, what).toBe(200);
}

/** Who answered, by the origin's own word. */
async function serverOf(client: Client, path: string): Promise<{ server: string; zone: string; region: string }> {
  const { status, body } = await client.fetch(site, path);
  expect(status, body).toBe(200);
  return JSON.parse(body) as { server: string; zone: string; region: string };
}

describe("bringing it up", () => {
  it("says what listens where, and the way of a client of each country through four tiers", () => {
    const output = stack.output();
    for (const listener of [
      "127.153.0.1:5300",
      "127.111.0.1  HTTP 8080, HTTPS 8443",
      "127.112.0.2  HTTP 8080, HTTPS 8443",
      "127.111.1.1  web 7001, api 7002",
    ])
      expect(output).toContain(listener);
    expect(output).toMatch(/client 127\.49\.0\.7 \(DE\) → ns\d www\.stream\.test → eu-west 127\.111\.0\.\d/);
    expect(output).toMatch(/client 127\.1\.0\.7 \(US\) → ns\d www\.stream\.test → us-east 127\.112\.0\.\d/);
    expect(output).toMatch(/→ eu-west\/l7-\d .*\/api\/users → api → zone eu-west-[ab]/);
    expect(output).toMatch(/→ us-east-[ab]\/l4-\d → api-\d 127\.112\.[12]\.10\d .* → 200 in /);
  });
});

describe("geography", () => {
  it("clients land in their region by their source address", async () => {
    expect((await german.resolve(site)).toSorted()).toEqual(["127.111.0.1", "127.111.0.2"]);
    expect((await american.resolve(site)).toSorted()).toEqual(["127.112.0.1", "127.112.0.2"]);
    expect((await serverOf(german, "/api/users")).region).toBe("eu-west");
    expect((await serverOf(american, "/api/users")).region).toBe("us-east");
  });

  it.runIf(hasClient("curl"))(
    "routers of both engines answer over HTTPS, with a demo certificate for the site",
    async () => {
      for (const host of ["127.111.0.1", "127.112.0.2"]) {
        const asked = ["-sS", "-k", "-v", "--connect-to", `::${host}:8443`, `https://${site}/api/users`];
        const { stdout, stderr } = await run("curl", asked);
        expect(stderr).toContain("CN=Watershed demo certificate - do not trust");
        expect(JSON.parse(stdout)).toMatchObject({ forwarded: { "x-forwarded-proto": "https" } });
      }
    },
  );

  for (const [subnet, country, region] of [
    ["81.2.69.142", "GB", 111],
    ["12.0.0.1", "US", 112],
    ["200.160.2.3", "BR", 112],
    ["2001:200::1", "JP", 111],
    ["133.11.0.1", "JP", 111],
  ] as const)
    it.runIf(hasClient("dig"))(
      `a resolver that speaks for ${subnet} (${country}) is sent to region ${region}`,
      async () => {
        const { stdout } = await run("dig", ["@127.153.0.1", "-p", "5300", `+subnet=${subnet}`, "+norec", site, "A"]);
        expect(stdout).toContain("status: NOERROR");
        expect(stdout).toMatch(new RegExp(`IN\\s+A\\s+127\\.${region}\\.0\\.[12]`));
        expect(stdout).toMatch(/CLIENT-SUBNET: [0-9a-f.:]+\/\d+\/[1-9]\d*/);
      },
    );
});

describe("services", () => {
  for (const [path, service] of [
    ["/", "web"],
    ["/film/7", "web"],
    ["/api/users", "api"],
    ["/admin/", "admin"],
  ] as const)
    it(`${path} reaches ${service}`, async () => {
      expect((await serverOf(german, path)).server).toMatch(new RegExp(`^${service}-\\d+$`));
    });

  for (const path of ["/static/app.js", "/images/poster.png"])
    it(`${path} reaches static`, async () => {
      const answer = await german.fetch(site, path);
      expect(answer.status).toBe(200);
      expect(answer.headers["etag"]).toBeDefined();
    });

  it("an unknown method of a route that names its methods goes on to the next route", async () => {
    const { status, body } = await german.fetch(site, "/static/app.js", { method: "POST", body: "x" });
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({ service: "web" });
  });

  it("api servers read the film catalogue from a replica of their zone through its forwarders", async () => {
    const { status, body } = await german.fetch(site, "/api/catalog/7");
    expect(status).toBe(200);
    const answer = JSON.parse(body) as {
      zone: string;
      film: { id: number };
      replica: { name: string; forwarder: string };
    };
    expect(answer.film.id).toBe(7);
    expect(answer.replica.name).toMatch(/^db-[12]$/);
    const zoneOctet = answer.zone === "eu-west-a" ? 1 : 2;
    expect(answer.replica.forwarder).toMatch(new RegExp(`^127\\.111\\.${zoneOctet}\\.[12]:6379$`));
  });

  it.runIf(hasClient("redis-cli"))("redis-cli reads a film through a forwarder", async () => {
    const { stdout } = await run("redis-cli", ["-h", "127.111.1.1", "GET", "film:7"]);
    expect(JSON.parse(stdout)).toMatchObject({ id: 7 });
  });

  it("an api server hears of the client from the headers, and of the router from the PROXY header", async () => {
    const { body } = await german.fetch(site, "/api/users");
    const answer = JSON.parse(body) as {
      forwarded: Record<string, string>;
      proxy: { source: { address: string }; uniqueId: string };
    };
    expect(answer.forwarded["x-forwarded-for"]).toBe("127.49.0.7");
    expect(answer.proxy.source.address).toMatch(/^127\.111\.0\.[12]$/);
    expect(answer.proxy.uniqueId).toBeTruthy();
  });
});

describe("trace", () => {
  for (const [from, region] of [
    ["DE", "eu-west"],
    ["US", "us-east"],
  ] as const)
    it(`from ${from} names all four tiers of ${region}`, async () => {
      const { stdout } = await run("./watershed", ["trace", "--from", from, "/api/users"], { env: stack.env });
      expect(stdout).toMatch(/ns[12]/);
      expect(stdout).toContain(`${region}/l7-`);
      expect(stdout).toMatch(new RegExp(`${region}-[ab]/l4-\\d`));
      expect(stdout).toMatch(/api-\d/);
    });

  it("in JSON holds each tier's own record of this request", async () => {
    const { stdout } = await run("./watershed", ["trace", "--from", "DE", "--json", "/api/users"], { env: stack.env });
    const trace = JSON.parse(stdout) as Record<string, unknown>;
    expect(JSON.stringify(trace["dns"])).toContain("eu-west");
    expect(JSON.stringify(trace["http"])).toContain("least-connections");
    expect(JSON.stringify(trace["connections"])).toContain("round-robin");
  });

  it("sends method, header and data, and places a client at a real address by its subnet", async () => {
    const request = ["--method", "POST", "--header", "X-Probe: 1", "--data", '{"plan":"pro"}', "/api/orders"];
    const { stdout } = await run("./watershed", ["trace", "--from", "200.160.2.3", ...request], { env: stack.env });
    expect(stdout).toMatch(/client 200\.160\.2\.3 \(BR\) .* us-east 127\.112\.0\./);
    expect(stdout).toContain('"method":"POST"');
    expect(stdout).toContain("→ 200 in ");
  });
});

describe("status", () => {
  it("shows every pool and endpoint of every tier", async () => {
    const { stdout } = await run("./watershed", ["status"], { env: stack.env });
    for (const each of [
      "ns2",
      "eu-west/l7-1",
      "us-east-b/l4-2",
      "eu-west-a/origin",
      "127.111.1.101:9000",
      "127.112.0.2:8080",
    ])
      expect(stdout).toContain(each);
    expect(stdout).toMatch(/forwarders +8\/8 +104\/104/);
  });
});

describe("load", () => {
  it("prints what a client sees every second, and in all", async () => {
    const options = ["--from", "US", "--for", "2500ms", "--workers", "2", "--json"];
    const { stdout } = await run("./watershed", ["load", ...options, "/static/app.js"], { env: stack.env });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ who }) => who)).toEqual(["US", "US", "US", "US in all"]);
    expect(lines.at(-1)).toMatchObject({ failed: 0, lastFailure: null, answers: { "us-east": expect.any(Number) } });
    const requests = lines.map((line) => Number(line["requests"]));
    expect(requests[3]).toBe(requests[0]! + requests[1]! + requests[2]!);
  });
});

describe("tap", () => {
  it("shows the decisions of name servers and routers for the clients of a country, and of nobody else", async () => {
    const tap = spawn("./watershed", ["tap", "--json", "--country", "DE"], { env: stack.env });
    const lines: string[] = [];
    createInterface({ input: tap.stdout }).on("line", (line) => lines.push(line));
    const services = async () => {
      for (const client of [german, american]) await client.fetch(site, "/api/users");
      return new Set(lines.map((line) => (JSON.parse(line) as { service: string }).service));
    };
    await expect.poll(services, { timeout: 20_000 }).toEqual(new Set(["geodns", "l7-router"]));
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({ country: "DE", decision: { client: expect.any(String) } });
      expect(line).not.toContain("us-east/l7");
    }
    tap.kill("SIGINT");
    expect(await once(tap, "exit")).toEqual([0, null]);
  });
});

describe("faults", () => {
  const zones = ["eu-west-a", "eu-west-b"];
  const forwardersOf = (zone: string) => [`${zone}/l4-1`, `${zone}/l4-2`];

  for (const what of ["stop", "hang"])
    it(`a server that is made to ${what} fails nobody, and comes back once its checks pass`, async () => {
      const result = await loadDuring([german, american], site, "/api/users", async () => {
        await seenBy(stack, forwardersOf("eu-west-a"), "endpoint_down", { name: "api-2" }, () =>
          drill("eu-west-a", `servers/api-2/${what}`),
        );
        await seenBy(stack, forwardersOf("eu-west-a"), "endpoint_up", { name: "api-2" }, () =>
          drill("eu-west-a", "servers/api-2/heal"),
        );
      });
      expect(result.failures).toEqual([]);
      expect(result.requests).toBeGreaterThan(20);
    });

  it("all servers of a service in a zone: the other zone answers, and nobody fails", async () => {
    const routers = ["eu-west/l7-1", "eu-west/l7-2"];
    const result = await loadDuring([german], site, "/api/users", () =>
      seenBy(stack, routers, "endpoint_down", { pool: "api", zone: "eu-west-a" }, () =>
        drill("eu-west-a", "services/api/stop"),
      ),
    );
    expect(result.failures).toEqual([]);
    for (let i = 0; i < 6; i++) expect((await serverOf(german, "/api/users")).zone).toBe("eu-west-b");
    await seenBy(stack, routers, "endpoint_up", { pool: "api", zone: "eu-west-a" }, () =>
      drill("eu-west-a", "servers/heal"),
    );
  });

  it("all servers of a region: DNS answers the other region, and comes home after the heal", async () => {
    const nameServers = ["ns1", "ns2"];
    await seenBy(stack, nameServers, "region_down", { region: "eu-west" }, () =>
      Promise.all(zones.map((zone) => drill(zone, "services/api/stop"))),
    );
    expect((await german.resolve(site)).toSorted()).toEqual(["127.112.0.1", "127.112.0.2"]);
    expect((await serverOf(german, "/api/users")).region).toBe("us-east");
    await seenBy(stack, nameServers, "region_up", { region: "eu-west" }, () =>
      Promise.all(zones.map((zone) => drill(zone, "servers/heal"))),
    );
    expect((await serverOf(german, "/api/users")).region).toBe("eu-west");
  });

  it("api servers count their requests at a sink of their zone, through the forwarders, by UDP", async () => {
    const { region, zone } = await serverOf(german, "/api/users");
    expect(region).toBe("eu-west");
    const origin = nodesOf(stack.topology).find(({ name }) => name === `${zone}/origin`)!;
    const counted = async () => {
      const sink = await fetch(`http://${origin.admin}/servers/telemetry-1`);
      return ((await sink.json()) as { counters: Record<string, number> }).counters["api.requests"] ?? 0;
    };
    await expect.poll(counted, { timeout: 10_000 }).toBeGreaterThan(0);
  });

  it("random bytes to every listener neither crash nor hang it", async () => {
    for (const { listens } of nodesOf(stack.topology))
      for (const { address, protocol } of listens) {
        if (protocol.includes("tcp")) await throwAtTcp(address);
        if (protocol.includes("udp")) await throwAtUdp(address);
      }
    for (const node of nodesOf(stack.topology))
      expect((await fetch(`http://${node.admin}/readyz`)).status, node.name).toBe(200);
    expect((await serverOf(german, "/api/users")).region).toBe("eu-west");
  });
});

describe("down", () => {
  it("ends the stack cleanly: the launcher with 0, and no process left", async () => {
    const pids = [...(await stack.pids()).values()];
    const ended = once(stack.launcher, "exit");
    const { stdout } = await run("./watershed", ["down"], { env: stack.env });
    expect(stdout).toContain("18 processes");
    expect(await ended).toEqual([0, null]);
    expect(pids.filter(isAlive)).toEqual([]);
  });
});
