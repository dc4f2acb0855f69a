import { parseCidr } from "#shared/core/cidr.ts";

/** A database of one's own, as small as can be: the bytes of an IPv4 MMDB.
 * @param networks disjoint ones: CIDR → country, or the number of an autonomous system
 * @see https://maxmind.github.io/MaxMind-DB/ */
export function mmdb(networks: Readonly<Record<string, string | number>>): Buffer {
  const nodes: [number | Leaf | null, number | Leaf | null][] = [[null, null]];
  const records: Buffer[] = [];
  let offset = 0;
  for (const [network, told] of Object.entries(networks)) {
    insert(nodes, network, { offset });
    const record =
      typeof told === "number"
        ? map([["autonomous_system_number", uint(6, told)]])
        : map([["country", map([["iso_code", text(told)]])]]);
    records.push(record);
    offset += record.length;
  }
  const tree = Buffer.concat(nodes.flatMap((node) => node.map((child) => recordOf(child, nodes.length))));
  return Buffer.concat([tree, Buffer.alloc(separatorBytes), ...records, marker, metadata(nodes.length)]);
}

/** Where in the data section the record of a network begins. */
interface Leaf {
  readonly offset: number;
}

const separatorBytes = 16;
const recordBytes = 3;
const marker = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");

function insert(nodes: [number | Leaf | null, number | Leaf | null][], network: string, leaf: Leaf): void {
  const { bytes, prefix } = parseCidr(network)!;
  let node = 0;
  for (let depth = 0; depth < prefix; depth++) {
    const side = (((bytes[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1) as 0 | 1;
    if (depth === prefix - 1) {
      nodes[node]![side] = leaf;
      return;
    }
    const next = nodes[node]![side];
    if (typeof next === "number") node = next;
    else {
      nodes[node]![side] = nodes.length;
      node = nodes.push([null, null]) - 1;
    }
  }
}

/** The number of a node; that of nodes itself: nothing is known; more: a place in the data section. */
function recordOf(child: number | Leaf | null, nodeCount: number): Buffer {
  const value =
    child === null ? nodeCount : typeof child === "number" ? child : nodeCount + separatorBytes + child.offset;
  const bytes = Buffer.alloc(recordBytes);
  bytes.writeUIntBE(value, 0, recordBytes);
  return bytes;
}

function metadata(nodeCount: number): Buffer {
  return map([
    ["binary_format_major_version", uint(5, 2)],
    ["binary_format_minor_version", uint(5, 0)],
    ["build_epoch", uint(9, 1_700_000_000)],
    ["database_type", text("Test-Country")],
    ["description", map([])],
    ["ip_version", uint(5, 4)],
    ["languages", Buffer.from([0, 4])], // an empty array
    ["node_count", uint(6, nodeCount)],
    ["record_size", uint(5, recordBytes * 8)],
  ]);
}

const textBytesMax = 28; // longer ones have another head
const text = (value: string): Buffer => {
  if (value.length > textBytesMax) throw new Error(`"${value}" is too long for this writer`);
  return Buffer.concat([Buffer.from([(2 << 5) | value.length]), Buffer.from(value)]);
};
const map = (entries: readonly (readonly [string, Buffer])[]): Buffer =>
  Buffer.concat([Buffer.from([(7 << 5) | entries.length]), ...entries.flatMap(([key, value]) => [text(key), value])]);
/** Type 5 is 16 bits, 6 is 32, 9 is 64 (of which 4 bytes do). */
function uint(type: 5 | 6 | 9, value: number): Buffer {
  const bytes = Buffer.alloc(type === 5 ? 2 : 4);
  bytes.writeUIntBE(value, 0, bytes.length);
  const head = type === 9 ? [bytes.length, type - 7] : [(type << 5) | bytes.length];
  return Buffer.concat([Buffer.from(head), bytes]);
}
