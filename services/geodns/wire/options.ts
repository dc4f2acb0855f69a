import { optionCodes } from "./codes.ts";

/** EDNS options of replies that depend on the transport. They are written at an offset; nothing is allocated. */

export const keepaliveOptionBytes = 6;
const keepaliveUnitMs = 100; // RFC 7828 §3.1

/** Blocks to which replies over encrypted transports are filled up, if the query was padded. @see RFC 8467 §4.1 */
export const paddingBlockBytes = 468;

/** Writes an edns-tcp-keepalive option: how long an idle connection stays. For TCP and TLS only, and only if the query has it.
 * @returns offset after what was written
 * @see RFC 7828 §3.1, §3.3.2 */
export function writeKeepaliveOption(into: Uint8Array, at: number, idleMs: number): number {
  const units = Math.min(0xffff, Math.floor(idleMs / keepaliveUnitMs));
  into[at] = optionCodes.KEEPALIVE >> 8;
  into[at + 1] = optionCodes.KEEPALIVE;
  into[at + 2] = 0;
  into[at + 3] = 2;
  into[at + 4] = units >> 8;
  into[at + 5] = units;
  return at + keepaliveOptionBytes;
}

/** Bytes of padding that fill a message up to whole blocks.
 * @param messageBytes with the header of the padding option
 * @param bytesMax of the message */
export function paddingBytes(messageBytes: number, blockBytes: number, bytesMax: number): number {
  const missing = (blockBytes - (messageBytes % blockBytes)) % blockBytes;
  return Math.max(0, Math.min(missing, bytesMax - messageBytes));
}
