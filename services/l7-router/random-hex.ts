import { randomFillSync } from "node:crypto";

const poolBytes = 4_096; // a hundred requests' worth: one call of the system's generator for all of them

const pool = Buffer.alloc(poolBytes);
let hex = "";
let at = 0;

/** `bytes` random bytes as hex; not for secrets that outlive a request.
 * @param bytes up to 32 */
export function randomHex(bytes: number): string {
  const length = bytes * 2;
  if (at + length > hex.length) {
    hex = randomFillSync(pool).toString("hex");
    at = 0;
  }
  at += length;
  return hex.slice(at - length, at);
}
