import { Resolver } from "node:dns/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { docker } from "#test/support/docker.ts";
import { publishedPorts } from "../../infra/docker/ports.ts";
import { describeInContainers } from "./describe.ts";
import { ContainerStack } from "./stack.ts";

const homes = [
  { client: "client-de", country: "DE", address: "10.49.0.7", region: "eu-west", routers: ["10.11.0.1", "10.11.0.2"] },
  { client: "client-us", country: "US", address: "10.1.0.7", region: "us-east", routers: ["10.12.0.1", "10.12.0.2"] },
] as const;

/** What a container has published, as the engine tells it. */
interface Inspected {
  readonly Name: string;
  readonly HostConfig: { readonly PortBindings: Readonly<Record<string, readonly { HostIp: string }[]>> | null };
  readonly NetworkSettings: { readonly Ports: Readonly<Record<string, readonly { HostIp: string }[] | null>> };
}

describeInContainers("the stack in containers", () => {
  let stack: ContainerStack;
  beforeAll(async () => {
    stack = await ContainerStack.get();
  });

  /** Output of a command in a client. */
  async function say(client: string, ...command: readonly string[]): Promise<string> {
    const { code, stdout, all } = await stack.exec(client, ...command);
    expect(code, all).toBe(0);
    return stdout.trim();
  }
  const curl = (client: string, path: string, ...options: readonly string[]) =>
    say(client, "curl", "--silent", "--max-time", "10", ...options, `http://www.stream.test${path}`);
  const portOf = (node: string, what: string) =>
    publishedPorts(stack.topology)
      .get(node)
      ?.find((published) => published.what === what)?.port ?? 0;

  describe.each(homes)("$client", ({ client, country, address, region, routers }) => {
    it(`is sent to both routers of ${region} by DNS`, async () => {
      const addresses = await say(client, "dig", "+short", "www.stream.test");
      expect(addresses.split("\n").toSorted()).toEqual(routers);
    });

    it("has both name servers in the NS set, and an answer of each", async () => {
      const names = await say(client, "dig", "+short", "stream.test", "NS");
      expect(names.split("\n").toSorted()).toEqual(["ns1.stream.test.", "ns2.stream.test."]);
      for (const server of ["10.53.0.1", "10.53.0.2"])
        expect(await say(client, "dig", `@${server}`, "+tcp", "+short", "www.stream.test")).toContain(routers[0]);
    });

    it(`is answered from ${region} by plain curl, known by its own address`, async () => {
      const answer = JSON.parse(await curl(client, "/api/users")) as Record<string, unknown>;
      expect(answer).toMatchObject({ region, forwarded: { "x-forwarded-for": address } });
    });

    it("is answered over HTTPS at port 443, with a demo certificate", async () => {
      const answer = await say(client, "curl", "-sS", "-k", "--max-time", "10", "https://www.stream.test/api/users");
      expect(JSON.parse(answer)).toMatchObject({ region, forwarded: { "x-forwarded-proto": "https" } });
    });

    for (const [path, service] of [
      ["/", "web"],
      ["/film/7", "web"],
      ["/api/users", "api"],
      ["/admin/", "admin"],
    ] as const)
      it(`reaches ${service} at ${path}`, async () => {
        expect(JSON.parse(await curl(client, path))).toMatchObject({ service, region });
      });

    for (const path of ["/static/app.js", "/images/poster.png"])
      it(`reaches static at ${path}`, async () => {
        const head = await curl(client, path, "--output", "/dev/null", "--dump-header", "-");
        expect(head).toMatch(/^HTTP\/1\.1 200 /);
        expect(head).toMatch(/^etag: /im);
      });

    it("reads the film catalogue from a replica, through a forwarder of the zone", async () => {
      const answer = JSON.parse(await curl(client, "/api/catalog/7")) as {
        film: { id: number };
        replica: { forwarder: string };
      };
      expect(answer.film.id).toBe(7);
      expect(answer.replica.forwarder).toMatch(
        region === "eu-west" ? /^10\.139\.[12]\.[12]:6379$/ : /^10\.140\.[12]\.[12]:6379$/,
      );
    });

    it("traces a request of its own through four tiers", async () => {
      const trace = await say(client, "node", "infra/cli/main.ts", "trace", "--from", country, "--json", "/api/users");
      const { client: asked, dns, http, connections } = JSON.parse(trace) as Record<string, unknown>;
      expect(asked).toMatchObject({ address });
      expect(JSON.stringify(dns)).toMatch(/"node":"ns[12]"/);
      expect(JSON.stringify(http)).toMatch(new RegExp(`"${region}/l7-[12]"`));
      expect(JSON.stringify(connections)).toMatch(new RegExp(`"${region}-[ab]/l4-[12]"`));
      expect(JSON.stringify(connections)).toMatch(/"api-[123]"/);
    });
  });

  it("a Redis GET through a forwarder reads a film", async () => {
    const { host, port } = { host: stack.node("eu-west-a/l4-2").address, port: 6_379 };
    const program = `const socket = require("node:net").connect(${port}, "${host}", () => socket.write("GET film:7\\r\\n"));
      socket.on("data", (bytes) => { console.log(String(bytes)); socket.destroy(); });`;
    const { stdout } = await stack.exec("eu-west-a/origin", "node", "--eval", program);
    const [length, film] = stdout.split("\r\n");
    expect(length).toMatch(/^\$\d+$/);
    expect(JSON.parse(film!)).toMatchObject({ id: 7 });
  });

  it("the kernel carries every listener but that of api, which speaks PROXY", async () => {
    for (const { name } of stack.nodes.filter(({ service }) => service === "l4-forwarder")) {
      const status = await (await stack.admin(name, "/status")).json();
      const { listeners } = status as { listeners: { pool: string; mode: string; why: string }[] };
      for (const { pool, mode, why } of listeners)
        expect([pool, mode, why]).toEqual(
          pool === "api"
            ? [pool, "userspace", "PROXY headers change the bytes of a connection"]
            : [pool, "kernel", "nftables can be used"],
        );
    }
  });

  it("a trace shows which server the kernel has chosen", async () => {
    const ask = ["node", "infra/cli/main.ts", "trace", "--from", "DE", "/film/7"];
    expect(await say("client-de", ...ask)).toMatch(
      /→ eu-west-[ab]\/l4-[12] → web-[1-4] 10\.139\.[12]\.9 \(round-robin, in the kernel\) → 200 in /,
    );
  });

  it("every router knows both forwarders of both of its zones", async () => {
    for (const { name, region } of stack.nodes.filter(({ service }) => service === "l7-router"))
      for (const { endpoints } of await stack.pools(name))
        expect(endpoints.map((endpoint) => endpoint.name).toSorted()).toEqual(
          ["a/l4-1", "a/l4-2", "b/l4-1", "b/l4-2"].map((forwarder) => `${region}-${forwarder}`),
        );
  });

  describe("from the host", () => {
    it.each(["ns1", "ns2"])("%s answers", async (name) => {
      const resolver = new Resolver();
      resolver.setServers([`127.0.0.1:${portOf(name, "DNS")}`]);
      expect(await resolver.resolve4("www.stream.test")).toHaveLength(2);
    });

    it.each(["eu-west/l7-1", "eu-west/l7-2", "us-east/l7-1", "us-east/l7-2"])("%s answers", async (name) => {
      const response = await fetch(`http://127.0.0.1:${portOf(name, "HTTP")}/api/users`);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ region: name.split("/")[0] });
    });

    it("the admin API wants its token, /readyz none", async () => {
      const admin = `http://127.0.0.1:${portOf("eu-west-a/l4-1", "admin")}`;
      expect((await fetch(`${admin}/readyz`)).status).toBe(200);
      expect((await fetch(`${admin}/status`)).status).toBe(401);
      expect((await stack.admin("eu-west-a/l4-1", "/status")).status).toBe(200);
    });

    it("nothing is published but on 127.0.0.1", async () => {
      const containers = JSON.parse(await docker("inspect", ...stack.containerIds)) as Inspected[];
      const bindings = containers.flatMap(({ Name, HostConfig, NetworkSettings }) =>
        [HostConfig.PortBindings ?? {}, NetworkSettings.Ports].flatMap((ports) =>
          Object.values(ports).flatMap((list) => (list ?? []).map(({ HostIp }) => `${Name} ${HostIp}`)),
        ),
      );
      expect(bindings.length).toBeGreaterThan(stack.nodes.length);
      expect(bindings.filter((binding) => !binding.endsWith(" 127.0.0.1"))).toEqual([]);
    });
  });
});
