import { types } from "./codes.ts";
import { nameBytesMax, read16, skipName } from "./name.ts";

/** Signed queries. We have no keys, so each is told that its key is not known: an answer without a signature would be thrown away by
 * whoever has signed, and be waited for until the time-out. @see RFC 8945 §5.2.1 */

const anyClass = 255;
const questionStart = 12; // behind the header
const recordFixedBytes = 10; // type, class, TTL, length
const timeBytes = 8; // time signed and fudge
const badKey = 17;
const errorFixedBytes = timeBytes + 8; // MAC size, original id, error, length of other data

/** Whether a TSIG record is well formed, and its names can stand in the reply as they are.
 * @param ownerAt where it begins in the message
 * @param ownerEnd behind its owner
 * @param end behind the record
 * @param questionEnd what its owner's pointer may lead to ends here: the rest of the message does not go back
 * @see RFC 8945 §4.2 */
export function isTsig(
  message: Uint8Array,
  ownerAt: number,
  ownerEnd: number,
  end: number,
  questionEnd: number,
): boolean {
  if (!canGoBack(message, ownerAt, ownerEnd, questionEnd)) return false;
  if (read16(message, ownerEnd + 2) !== anyClass || read16(message, ownerEnd + 4) + read16(message, ownerEnd + 6) > 0)
    return false;
  const algorithmAt = ownerEnd + recordFixedBytes;
  const algorithmEnd = skipName(message, algorithmAt);
  if (algorithmEnd < 0 || pointerOf(message, algorithmAt) > 0) return false;
  const macAt = algorithmEnd + timeBytes + 2;
  const otherAt = macAt + (macAt <= end ? read16(message, macAt - 2) : 0) + 6;
  return otherAt <= end && otherAt + read16(message, otherAt - 2) === end;
}

/** Bytes of the record that `writeTsigError` writes. */
export function tsigErrorBytes(message: Uint8Array, ownerAt: number): number {
  return skipName(message, skipName(message, ownerAt) + recordFixedBytes) - ownerAt + errorFixedBytes;
}

/** Writes the TSIG record that tells BADKEY, without a MAC. @param ownerAt of the query's record, which `isTsig` found well formed
 * @returns the offset behind it
 * @see RFC 8945 §5.3.2 */
export function writeTsigError(out: Uint8Array, start: number, message: Uint8Array, ownerAt: number): number {
  const ownerEnd = skipName(message, ownerAt);
  const algorithmAt = ownerEnd + recordFixedBytes;
  const timeAt = skipName(message, algorithmAt);
  const timeEnd = timeAt + timeBytes;
  const originalIdAt = timeEnd + 2 + read16(message, timeEnd);
  const data = [...message.subarray(algorithmAt, timeEnd), 0, 0];
  data.push(message[originalIdAt] ?? 0, message[originalIdAt + 1] ?? 0, 0, badKey, 0, 0);
  let at = start;
  for (const byte of message.subarray(ownerAt, ownerEnd)) out[at++] = byte;
  for (const value of [types.TSIG, anyClass, 0, 0, data.length]) {
    out[at++] = value >> 8;
    out[at++] = value & 0xff;
  }
  for (const byte of data) out[at++] = byte;
  return at;
}

/** Whether a name means the same in the reply: it has no pointer, or one to a label of the question. */
function canGoBack(message: Uint8Array, start: number, end: number, questionEnd: number): boolean {
  const target = pointerOf(message, start);
  if (target === 0) return true;
  const nameEnd = questionEnd - 4; // type and class
  let at = questionStart;
  while (at < target && at < nameEnd) at += 1 + (message[at] ?? 0);
  return at === target && at < nameEnd && end - start - 2 + nameEnd - target <= nameBytesMax;
}

/** Where the pointer leads that a name ends with, which `skipName` has passed; 0: it has none. */
function pointerOf(message: Uint8Array, start: number): number {
  for (let at = start; ;) {
    const length = message[at] ?? 0;
    if (length === 0) return 0;
    if (length >= 0xc0) return read16(message, at) & 0x3fff;
    at += 1 + length;
  }
}
