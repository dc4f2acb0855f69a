const polynomial = 0x82f63b78; // Castagnoli's, bits reversed; RFC 3720 §12.1

/** The CRC32c of `bytes`, unsigned. Bit by bit: it runs once a connection, over a few hundred bytes. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
