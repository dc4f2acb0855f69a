import type { OverrideState, Overrides } from "#shared/config/schema/overrides.ts";

/** What something is set for: a region of all services or of one, or an address of a service. */
export interface OverrideTarget {
  readonly service?: string | undefined;
  readonly region?: string | undefined;
  readonly address?: string | undefined;
}

/** One thing that was set, or taken back: state auto. */
export interface OverrideChange extends OverrideTarget {
  readonly state: OverrideState | "auto";
}

/** What an operator has set for a region of a service: the service's own word before that for all. */
export function regionOverride(
  { regions, services }: Overrides,
  service: string,
  region: string,
): OverrideState | null {
  return services[service]?.regions[region] ?? regions[region] ?? null;
}

export function addressOverride({ services }: Overrides, service: string, address: string): OverrideState | null {
  return services[service]?.addresses[address] ?? null;
}

/** What leads from one to the other. */
export function changesOf(before: Overrides, now: Overrides): OverrideChange[] {
  const old = new Map(entriesOf(before).map((entry) => [keyOf(entry), entry]));
  const changed = entriesOf(now).filter((entry) => {
    const known = old.get(keyOf(entry));
    old.delete(keyOf(entry));
    return known?.state !== entry.state;
  });
  return [...changed, ...[...old.values()].map((entry) => ({ ...entry, state: "auto" as const }))];
}

/** What is set by changes, and nothing else. */
export function newIn(changes: readonly OverrideChange[]): Overrides {
  const regions: Record<string, OverrideState> = {};
  const services: Record<string, { regions: typeof regions; addresses: typeof regions }> = {};
  for (const { service, region, address, state } of changes) {
    if (state === "auto") continue;
    const own =
      service === undefined ? { regions, addresses: {} } : (services[service] ??= { regions: {}, addresses: {} });
    if (region !== undefined) own.regions[region] = state;
    if (address !== undefined) own.addresses[address] = state;
  }
  return { regions, services };
}

function entriesOf({ regions, services }: Overrides): OverrideChange[] {
  const ofRegions = (states: Overrides["regions"], service?: string) =>
    Object.entries(states).map(([region, state]) => ({ ...(service === undefined ? {} : { service }), region, state }));
  return [
    ...ofRegions(regions),
    ...Object.entries(services).flatMap(([service, own]) => [
      ...ofRegions(own.regions, service),
      ...Object.entries(own.addresses).map(([address, state]) => ({ service, address, state })),
    ]),
  ];
}

const keyOf = ({ service, region, address }: OverrideTarget) => JSON.stringify([service, region, address]);
