import { parentOf } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { SteeredName, ZoneRecord } from "./record.ts";

/** All that was read of one name. */
export interface Owned {
  readonly owner: Name;
  /** By type, in the order they were read, each record once. */
  readonly records: Map<number, ZoneRecord[]>;
  steered: SteeredName | undefined;
}

/** The uppermost delegation at or above a name. */
export function cutAbove(owner: Name, apex: Name, cuts: ReadonlySet<Name>): Name | undefined {
  let found: Name | undefined;
  if (cuts.size > 0) for (let at = owner; at !== apex; at = parentOf(at)) if (cuts.has(at)) found = at;
  return found;
}
