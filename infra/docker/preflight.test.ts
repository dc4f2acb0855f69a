import dgram from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { networksOf } from "./networks.ts";
import { hiddenResolvers, isFree, overlaps } from "./preflight.ts";
import { listenTcp } from "#shared/net/listen.ts";

const file = readFileSync(new URL("../topology.yaml", import.meta.url), "utf8");
const networks = networksOf(parseConfig(file, "topology.yaml", topologySchema));
const advice = "containers.firstOctet in infra/topology.yaml moves the stack (then npm run compose)";

describe("routes of the host", () => {
  const cases = [
    { name: "the default route", dst: "default", dev: "eth0", overlap: [] },
    { name: "a network elsewhere", dst: "172.17.0.0/16", dev: "docker0", overlap: [] },
    { name: "one behind the stack's", dst: "10.224.0.0/11", dev: "tun0", overlap: [] },
    { name: "one inside", dst: "10.8.0.0/24", dev: "tun0", overlap: ["internet (10.0.0.0/9)"] },
    { name: "a single host", dst: "10.200.1.1", dev: "tun0", overlap: ["control (10.192.0.0/11)"] },
    { name: "one that is the same", dst: "10.139.0.0/16", dev: "br-1", overlap: ["region-eu-west (10.139.0.0/16)"] },
    {
      name: "one around",
      dst: "10.0.0.0/8",
      dev: "tun0",
      overlap: [
        "control (10.192.0.0/11)",
        "internet (10.0.0.0/9)",
        "region-eu-west (10.139.0.0/16)",
        "region-us-east (10.140.0.0/16)",
      ],
    },
    { name: "a VPN that takes everything", dst: "0.0.0.0/1", dev: "tun0", overlap: [] },
    { name: "the stack's own", dst: "10.0.0.0/9", dev: "br-own", overlap: [] },
  ];

  it.each(cases)("$name", ({ dst, dev, overlap }) => {
    expect(overlaps(networks, [{ dst, dev }], ["br-own"])).toEqual(
      overlap.map(
        (network) => `network ${network} overlaps the route ${dst} of ${dev}: remove the route, or ${advice}`,
      ),
    );
  });
});

it("a name server of the host must stay in reach", () => {
  expect(hiddenResolvers(networks, ["127.0.0.53", "10.255.255.53", "fd00::53"])).toEqual([]);
  expect(hiddenResolvers(networks, ["10.0.0.2"])).toEqual([
    `network internet (10.0.0.0/9) would hide the host's name server 10.0.0.2: ${advice}`,
  ]);
});

describe("a port of 127.0.0.1", () => {
  it("is taken while somebody listens there, and free after", async () => {
    const listener = await listenTcp({ address: "127.0.0.1:0", onConnection: (socket) => socket.destroy() });
    const port = Number(listener.address.split(":")[1]);
    expect(await isFree(port, "tcp")).toBe(false);
    await listener.close();
    expect(await isFree(port, "tcp")).toBe(true);
  });

  it("is another one over UDP", async () => {
    const socket = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    expect(await isFree(port, "udp")).toBe(false);
    socket.close();
    await once(socket, "close");
    expect(await isFree(port, "udp")).toBe(true);
  });
});
