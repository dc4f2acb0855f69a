import { parseDurationMs } from "#shared/core/duration.ts";
import { UsageError } from "#shared/core/error.ts";
import { stateOf } from "./key.ts";
import type { KeyTimes } from "./key.ts";
import type { StoredKey } from "./key-store.ts";
import { formatTime, parseTime } from "./rdata.ts";

/** "now", "+30d", "20261125191841" (UTC).
 * @param now seconds since 1970, as is the result */
export function parseMoment(text: string, now: number): number | undefined {
  if (text === "now") return now;
  if (!text.startsWith("+")) return parseTime(text);
  const durationMs = parseDurationMs(text.slice(1));
  return durationMs === undefined ? undefined : now + Math.floor(durationMs / 1_000);
}

/** The times of a key with some of them changed.
 * @param keys all of its dnsZone
 * @throws {UsageError} if their order is wrong, or a time would come without an entry point that signs */
export function changeTimes(
  keys: readonly StoredKey[],
  stored: StoredKey,
  changes: Partial<KeyTimes>,
  now: number,
): KeyTimes {
  const times = { ...stored.key.times, ...changes };
  const order = Object.entries(times).filter((entry): entry is [string, number] => entry[1] !== undefined);
  for (const [i, [name, time]] of order.entries()) {
    const before = order[i - 1];
    if (before && time < before[1])
      throw new UsageError(`${name} (${formatTime(time)}) would come before ${before[0]} (${formatTime(before[1])})`);
  }
  if (times.inactive !== undefined && times.activate === undefined)
    throw new UsageError("inactive needs activate: the key has never signed");
  const after = keys.map(({ key }) => (key === stored.key ? { ...key, times } : key));
  const changesAt = after.flatMap((key) => [key.times.activate, key.times.inactive, key.times.delete]);
  for (const moment of [now, ...changesAt]) {
    if (moment === undefined || moment < now) continue;
    if (!after.some((key) => key.isEntryPoint && stateOf(key, moment) === "active"))
      throw new UsageError(`at ${formatTime(moment)} no entry point would sign: activate another one first`);
  }
  return times;
}
