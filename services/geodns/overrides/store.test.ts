import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { UsageError } from "#shared/core/error.ts";
import { testHost } from "#test/support/host.ts";
import { OverrideStore } from "./store.ts";

let dir = "";
let file = "";
let config: GeodnsConfig;
let host = testHost();
let changes = 0;
const stores: OverrideStore[] = [];

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), "watershed-overrides-"));
  file = path.join(dir, "state.yaml");
  host = testHost();
  changes = 0;
  const location = [0, 0];
  config = geodnsSchema.parse({
    listen: ["127.0.0.1:0"],
    overrides: file,
    regions: { "eu-west": { location }, "us-east": { location } },
    services: { web: { regions: { "eu-west": { addresses: ["192.0.2.1", "2001:DB8::1"] } } } },
    dnsZones: {},
  });
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const store of stores.splice(0)) store.close();
  fs.rmSync(dir, { recursive: true });
});

function open(names: GeodnsConfig = config): OverrideStore {
  const store = new OverrideStore(names, host, () => void changes++);
  stores.push(store);
  return store;
}
const told = (type: string) => host.events.since(0).filter((event) => event.type === type);

/** Waits for the next event of a type. */
function next(type: string): Promise<unknown> {
  return new Promise((resolve) => {
    const stop = host.events.subscribe((event) => {
      if (event.type !== type) return;
      stop();
      resolve(event.data);
    });
  });
}

describe("what operators set", () => {
  it("is kept in the file, and there again after a restart", () => {
    const store = open();
    store.set({ region: "eu-west" }, "drain");
    store.set({ service: "web", region: "eu-west" }, "up");
    store.set({ service: "web", address: "192.0.2.1" }, "down");
    const set = {
      regions: { "eu-west": "drain" },
      services: { web: { regions: { "eu-west": "up" }, addresses: { "192.0.2.1": "down" } } },
    };
    expect(store.current).toEqual(set);
    expect(open().current).toEqual(set);
    expect(changes).toBe(3);
    expect(told("override_set").map(({ data }) => data)).toEqual([
      { region: "eu-west", state: "drain", by: "admin" },
      { service: "web", region: "eu-west", state: "up", by: "admin" },
      { service: "web", address: "192.0.2.1", state: "down", by: "admin" },
    ]);
  });

  it("is taken back with nothing left of it", () => {
    const store = open();
    store.set({ service: "web", address: "192.0.2.1" }, "down");
    store.set({ service: "web", address: "192.0.2.1" }, undefined);
    expect(store.current).toEqual({ regions: {}, services: {} });
    expect(fs.readFileSync(file, "utf8")).toBe("{}\n");
    expect(told("override_set").at(-1)?.data).toMatchObject({ state: "auto" });
  });

  it("that was never set is taken back in peace", () => {
    const store = open();
    store.set({ region: "eu-west" }, undefined);
    store.set({ service: "web", address: "192.0.2.1" }, undefined);
    expect(store.current).toEqual({ regions: {}, services: {} });
    expect(changes).toBe(0);
  });

  it("that is set already is no change", () => {
    const store = open();
    store.set({ region: "eu-west" }, "drain");
    store.set({ region: "eu-west" }, "drain");
    expect(changes).toBe(1);
  });

  it("is forgotten by a restart where the config names no file", () => {
    const without = { ...config, overrides: undefined };
    const store = open(without);
    store.set({ region: "eu-west" }, "down");
    expect(store.current.regions).toEqual({ "eu-west": "down" });
    expect(store.status().file).toBeNull();
    expect(open(without).current.regions).toEqual({});
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it("is kept in the file of WATERSHED_OVERRIDES where the config names none", () => {
    vi.stubEnv("WATERSHED_OVERRIDES", file);
    const without = { ...config, overrides: undefined };
    open(without).set({ region: "eu-west" }, "down");
    expect(open(without).current.regions).toEqual({ "eu-west": "down" });
    expect(fs.existsSync(file)).toBe(true);
  });

  it("keeps an operator's comments and way of writing", () => {
    fs.writeFileSync(
      file,
      "# Do not touch before the 12th.\nservices:\n  web:\n    addresses:\n      2001:DB8:0::1: drain # disk\n",
    );
    const store = open();
    expect(store.current.services["web"]?.addresses).toEqual({ "2001:db8::1": "drain" });
    store.set({ service: "web", address: "2001:db8::1" }, "down");
    expect(fs.readFileSync(file, "utf8")).toBe(
      "# Do not touch before the 12th.\nservices:\n  web:\n    addresses:\n      2001:DB8:0::1: down # disk\n",
    );
  });

  it("changes nothing where the file cannot be written", () => {
    const store = open();
    fs.mkdirSync(file); // A folder cannot be replaced by a file.
    expect(() => store.set({ region: "eu-west" }, "drain")).toThrow(UsageError);
    expect(store.current.regions).toEqual({});
    expect(changes).toBe(0);
  });

  it("replaces the file behind a link, and leaves no other behind", () => {
    const real = path.join(dir, "real.yaml");
    fs.writeFileSync(real, "{}\n");
    fs.symlinkSync(real, file);
    open().set({ region: "eu-west" }, "drain");
    expect(fs.readFileSync(real, "utf8")).toContain("drain");
    expect(fs.lstatSync(file).isSymbolicLink()).toBe(true);
    expect(fs.readdirSync(dir).toSorted()).toEqual(["real.yaml", "state.yaml"]);
  });
});

describe("a file that an operator edits", () => {
  it("is read again at once", async () => {
    const store = open();
    store.watch();
    const set = next("override_set");
    fs.writeFileSync(file, "regions: {us-east: drain}\n");
    expect(await set).toEqual({ region: "us-east", state: "drain", by: "file" });
    expect(store.current.regions).toEqual({ "us-east": "drain" });
    const back = next("override_set");
    fs.rmSync(file);
    expect(await back).toEqual({ region: "us-east", state: "auto", by: "file" });
  });

  it.each([
    { name: "no YAML", text: "regions: [", says: "state.yaml:1:11: this is not YAML" },
    {
      name: "a state that is none",
      text: "regions:\n  eu-west: dwon\n",
      says: "state.yaml:2:12 regions.eu-west: expected",
    },
    {
      name: "a region that there is not",
      text: "regions:\n  eu-wset: down\n",
      says: 'state.yaml:2:12 regions.eu-wset: there is no region "eu-wset" (known: eu-west, us-east)',
    },
    {
      name: "a region that the service has not",
      text: "services: {web: {regions: {us-east: up}}}\n",
      says: 'there is no region of the service "us-east" (known: eu-west)',
    },
    {
      name: "an address that the service has not",
      text: "services: {web: {addresses: {192.0.2.9: up}}}\n",
      says: 'there is no address of the service "192.0.2.9"',
    },
    { name: "nothing", text: "", says: "state.yaml:1:1: expected a mapping, got an empty file" },
  ])("is refused with $name, and the old state stays", async ({ text, says }) => {
    const store = open();
    store.set({ region: "us-east" }, "drain");
    store.watch();
    const refused = next("overrides_refused");
    fs.writeFileSync(file, text);
    await refused;
    expect(store.status().error).toContain(says);
    expect(store.current.regions).toEqual({ "us-east": "drain" });
    expect(changes).toBe(1);
  });

  it("that is broken is not written over", () => {
    const store = open();
    fs.writeFileSync(file, "regions: [");
    expect(() => store.set({ region: "eu-west" }, "drain")).toThrow(/nothing was changed.*\n.*state.yaml:1:11/);
    expect(fs.readFileSync(file, "utf8")).toBe("regions: [");
  });

  it("that names what there is not is not written over either, unless it did so at the start", () => {
    const store = open();
    fs.writeFileSync(file, "regions: {eu-wset: down}\n");
    expect(() => store.set({ region: "eu-west" }, "drain")).toThrow(/nothing was changed.*\n.*state.yaml:1:20/);
    expect(store.current.regions).toEqual({});
    const later = open();
    const beside = open(); // as another process of the same node, which sees the file change before it is told
    later.set({ region: "eu-west" }, "drain");
    beside.set({ region: "eu-west" }, "drain");
    for (const one of [later, beside]) expect(one.current.regions).toEqual({ "eu-wset": "down", "eu-west": "drain" });
  });

  it("that is broken ends the start", () => {
    fs.writeFileSync(file, "regions:\n  eu-west: dwon\n");
    expect(() => open()).toThrow(/state.yaml:2:12 regions.eu-west/);
  });

  it("may name what the config has no longer, at the start", () => {
    fs.writeFileSync(file, "regions: {ap-south: drain}\n");
    expect(open().current.regions).toEqual({ "ap-south": "drain" });
  });

  it("must have a folder", () => {
    expect(() => open({ ...config, overrides: path.join(dir, "nowhere", "state.yaml") })).toThrow(
      /^overrides: expected a folder \/.*nowhere, got none \(make it/,
    );
  });
});
