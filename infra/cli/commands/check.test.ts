import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { projectDir } from "../stack/state.ts";
import { check } from "./check.ts";

let dir = "";
beforeAll(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-test-"));
});
afterAll(() => fs.rmSync(dir, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(dir, name);
  fs.writeFileSync(file, text);
  return file;
}

const pools = 'pools: {api: {endpoints: [{address: "127.0.0.1:9001"}]}}';
const router = `listeners: [{address: "127.0.0.1:8080"}]\nroutes: [{match: {path: /*}, pool: api}]\n${pools}`;
const forwarder = `listeners: [{address: "127.0.0.1:7001", pool: api}]\n${pools}`;
const origin = 'servers: [{name: web-1, service: web, address: "127.0.0.1:9000"}]';
const geodns = 'listen: ["127.0.0.1:5300"]\nregions: {}\ndnsZones: {}';

describe("checking a file", () => {
  it.each([
    { name: "a.yaml", text: router, says: "(l7-router: 1 route, 1 pool)" },
    { name: "b.yaml", text: forwarder, says: "(l4-forwarder: 1 listener, 1 pool)" },
    { name: "c.yaml", text: origin, says: "(origin: 1 server)" },
    { name: "d.yaml", text: geodns, says: "(geodns: 0 DNS zones, 0 services, 0 regions)" },
    { name: "my-l4-forwarder.yml", text: forwarder, says: "(l4-forwarder: 1 listener, 1 pool)" },
  ])("knows what $name is: $says", ({ name, text, says }) => {
    const file = write(name, text);
    expect(check(file, undefined).told).toBe(`${file}: ok ${says}`);
  });

  it("checks the config of every node of a topology", () => {
    const file = path.join(projectDir, "infra", "topology.yaml");
    expect(check(file, undefined).told).toBe(`${file}: ok (topology: 2 regions, 18 nodes)`);
  });

  it("believes --service over the name", () => {
    const file = write("geodns-router.yaml", router);
    expect(check(file, "l7-router").told).toContain("ok (l7-router:");
    expect(() => check(file, "geodns")).toThrow("routes");
  });

  it.each([
    { name: "e.yaml", text: "nothing: known", service: undefined, says: "say --service" },
    { name: "f.yaml", text: router, service: "l7", says: "there is no service" },
    { name: "g.yaml", text: router.replace("pool: api", "pool: apx"), service: undefined, says: "g.yaml:2:" },
  ])("refuses $name: $says", ({ name, text, service, says }) => {
    expect(() => check(write(name, text), service)).toThrow(says);
  });
});
