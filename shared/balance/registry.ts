import type { BalanceName } from "#shared/config/schema/common.ts";
import type { Random } from "#shared/core/random.ts";
import { createIpHash } from "./ip-hash.ts";
import { createLeastConnections } from "./least-connections.ts";
import { createLeastResponseTime } from "./least-response-time.ts";
import type { CreatePicker, Picker } from "./picker.ts";
import { createPowerOfTwo } from "./power-of-two.ts";
import { createRandom } from "./random.ts";
import { createRoundRobin } from "./round-robin.ts";
import { createWeighted } from "./weighted.ts";

export const pickers = {
  "round-robin": createRoundRobin,
  weighted: createWeighted,
  "least-connections": createLeastConnections,
  "ip-hash": createIpHash,
  "least-response-time": createLeastResponseTime,
  random: createRandom,
  "power-of-two": createPowerOfTwo,
} as const satisfies Record<BalanceName, CreatePicker>;

export function createPicker(name: BalanceName, random: Random): Picker {
  return pickers[name](random);
}
