import type { Reader, Response } from "maxmind";

/** The search tree of an MMDB file, as far as a walk needs it. */
export interface SearchTree {
  readonly file: Uint8Array;
  readonly metadata: Pick<Reader<Response>["metadata"], "nodeCount" | "recordSize" | "ipVersion">;
}

/** Called for every network, in order. The bytes are written over after the call.
 * @param pointer where its record stands: equal pointers are equal records; 0 where the database has none */
export type VisitNetwork = (bytes: Uint8Array, prefix: number, pointer: number) => void;

/** What is walked. */
export interface Walk {
  readonly addressBytes: 4 | 16;
  /** Whether to pass a range over, with all in it. */
  readonly skip: (bytes: Uint8Array, prefix: number) => boolean;
}

const ipv4Depth = 96; // an IPv6 tree holds IPv4 at ::/96

/** Walks every network of one family once, node by node: a lookup for each would take ten times as long.
 * @see https://maxmind.github.io/MaxMind-DB/ "Binary Search Tree Section" */
export function walkNetworks({ file, metadata }: SearchTree, { addressBytes, skip }: Walk, visit: VisitNetwork): void {
  const { nodeCount, recordSize, ipVersion } = metadata;
  const bytes = new Uint8Array(addressBytes);
  const bits = addressBytes * 8;
  const read = recordReader(file, recordSize);

  const walk = (node: number, depth: number): void => {
    if (skip(bytes, depth)) return;
    // Deeper than an address is long: a damaged tree that leads back into itself.
    if (node >= nodeCount || depth === bits) return visit(bytes, depth, node > nodeCount ? node : 0);
    walk(read(node, 0), depth + 1);
    const mask = 0x80 >> (depth & 7);
    bytes[depth >> 3] = (bytes[depth >> 3] ?? 0) | mask;
    walk(read(node, 1), depth + 1);
    bytes[depth >> 3] = (bytes[depth >> 3] ?? 0) & ~mask;
  };

  if (addressBytes === 16 && ipVersion === 4) return visit(bytes, 0, 0);
  let root = 0;
  if (addressBytes === 4 && ipVersion === 6)
    for (let depth = 0; depth < ipv4Depth && root < nodeCount; depth++) root = read(root, 0);
  walk(root, 0);
}

/** Reads the left (0) or right (1) record of a node: 24, 28 or 32 bits. */
function recordReader(file: Uint8Array, recordBits: number): (node: number, side: 0 | 1) => number {
  const at = (offset: number) => file[offset] ?? 0;
  const read24 = (offset: number) => (at(offset) << 16) | (at(offset + 1) << 8) | at(offset + 2);
  if (recordBits === 24) return (node, side) => read24(node * 6 + side * 3);
  if (recordBits === 32) return (node, side) => at(node * 8 + side * 4) * 0x100_0000 + read24(node * 8 + side * 4 + 1);
  return (node, side) => {
    const middle = at(node * 7 + 3); // its upper half belongs to the left record, its lower half to the right one
    return side === 0 ? ((middle & 0xf0) << 20) | read24(node * 7) : ((middle & 0x0f) << 24) | read24(node * 7 + 4);
  };
}
