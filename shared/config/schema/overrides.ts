import { z } from "zod";
import type { ZodType } from "zod";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { addressSchema } from "./common.ts";
import { crossCheck } from "./cross-check.ts";
import type { GeodnsConfig } from "./geodns.ts";

/** What an operator may set against the checks. */
export const overrideStates = ["up", "down", "drain"] as const;
export type OverrideState = (typeof overrideStates)[number];

const stateSchema = z.enum(overrideStates);
const regionsSchema = z
  .record(z.string(), stateSchema)
  .default({})
  .describe("region → up: whatever its checks say; down: never answered; drain: only while no other region is healthy");

/** The file that `overrides` of geodns.yaml names: what operators have set, kept over restarts. */
export const overridesSchema = z.strictObject({
  regions: regionsSchema,
  services: z
    .record(
      z.string(),
      z.strictObject({
        regions: regionsSchema,
        addresses: z
          .record(addressSchema, stateSchema)
          .default({})
          .transform((states) =>
            Object.fromEntries(Object.entries(states).map(([text, state]) => [canonical(text), state])),
          )
          .describe("address → the same"),
      }),
    )
    .default({})
    .describe("service → what is set for it alone; wins over what is set for a region of all"),
});
export type Overrides = z.output<typeof overridesSchema>;

/** The same, and every name in it is one of the config. */
export function overridesOf(config: Pick<GeodnsConfig, "regions" | "services">): ZodType<Overrides> {
  return crossCheck(overridesSchema, (overrides, context) => {
    const mustBeOneOf = (names: readonly string[], name: string, what: string, path: PropertyKey[]) => {
      if (names.includes(name)) return;
      const message = `there is no ${what} "${name}" (known: ${names.join(", ") || "none"})`;
      context.addIssue({ code: "custom", path, message });
    };
    const regions = Object.keys(config.regions);
    for (const name of Object.keys(overrides.regions)) mustBeOneOf(regions, name, "region", ["regions", name]);
    for (const [name, set] of Object.entries(overrides.services)) {
      const service = config.services[name];
      mustBeOneOf(Object.keys(config.services), name, "service", ["services", name]);
      if (!service) continue;
      const own = Object.keys(service.regions);
      for (const region of Object.keys(set.regions))
        mustBeOneOf(own, region, "region of the service", ["services", name, "regions", region]);
      const addresses = Object.values(service.regions).flatMap((region) => region.addresses.map(canonical));
      for (const address of Object.keys(set.addresses))
        mustBeOneOf(addresses, address, "address of the service", ["services", name, "addresses", address]);
    }
  });
}

function canonical(text: string): string {
  return formatAddress(parseAddress(text) ?? new Uint8Array(4));
}
