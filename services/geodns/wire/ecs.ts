const fixedBytes = 4; // family, source prefix, scope prefix

/** Reads the value of an EDNS Client Subnet option of a query.
 * @param offset where it begins in the message
 * @param address takes the address, filled up with zeros
 * @returns the bytes of the address: 4 or 16, or 0 where the client asks for privacy (source prefix 0); -1 where RFC 7871
 *   asks for FORMERR: unknown family, a prefix over 32 or 128, a scope, an address of another length than the prefix
 *   needs, bits set behind the prefix
 * @see RFC 7871 §6, §7.1.2 */
export function readSubnet(message: Uint8Array, offset: number, length: number, address: Uint8Array): 0 | 4 | 16 | -1 {
  if (length < fixedBytes) return -1;
  const family = ((message[offset] ?? 0) << 8) | (message[offset + 1] ?? 0);
  const sourcePrefix = message[offset + 2] ?? 0;
  const scopePrefix = message[offset + 3] ?? 0;
  if (scopePrefix !== 0) return -1;
  // Family 0 with nothing in it is how `dig +subnet=0` says "no address of mine".
  if (family === 0) return length === fixedBytes && sourcePrefix === 0 ? 0 : -1;
  const bytes = family === 1 ? 4 : family === 2 ? 16 : 0;
  if (bytes === 0 || sourcePrefix > bytes * 8) return -1;
  const told = (sourcePrefix + 7) >> 3;
  if (length !== fixedBytes + told) return -1;
  if (sourcePrefix === 0) return 0;
  const spareBits = (8 - (sourcePrefix & 7)) & 7;
  if (((message[offset + length - 1] ?? 0) & ((1 << spareBits) - 1)) !== 0) return -1;
  for (let i = 0; i < bytes; i++) address[i] = i < told ? (message[offset + fixedBytes + i] ?? 0) : 0;
  return bytes;
}
