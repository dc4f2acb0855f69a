import type { OverrideState } from "#shared/config/schema/overrides.ts";
import type { AdminState } from "#shared/endpoint/status.ts";
import type { AddressView } from "../snapshot.ts";

/** The admin API's word for an address, as an override. */
export const overrideOf = {
  enabled: undefined,
  up: "up",
  draining: "drain",
  disabled: "down",
} as const satisfies Record<AdminState, OverrideState | undefined>;

/** What an override of an address means to its pool. */
export function adminOf(override: OverrideState | null): AdminState {
  if (override === null) return "enabled";
  return ({ up: "up", drain: "draining", down: "disabled" } as const)[override];
}

/** The addresses of a region, with what an operator has set for the region laid over it. A drained region is like drained
 * addresses, which still answer when every region is down; a region that is down is like disabled ones, which do not. A
 * region that is held up answers with the addresses that are up, or with all that nobody took out if none is. */
export function underRegion(override: OverrideState | null, addresses: readonly AddressView[]): readonly AddressView[] {
  switch (override) {
    case null:
      return addresses;
    case "down":
      return addresses.map((one) => ({ ...one, up: false, state: "disabled", reason: "DISABLED" }));
    case "drain":
      return addresses.map((one) =>
        one.state === "disabled" ? one : { ...one, up: false, state: "draining", reason: "DRAINING" },
      );
    case "up":
      if (addresses.some(({ up }) => up)) return addresses;
      return addresses.map((one) =>
        one.override === null ? { ...one, up: true, state: "up", reason: "FORCED_UP" } : one,
      );
  }
}
