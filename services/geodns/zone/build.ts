import { ConfigError } from "#shared/config/error.ts";
import type { DnsZoneConfig } from "#shared/config/schema/dns-zone.ts";
import { assert } from "#shared/core/error.ts";
import { formatName, isAtOrBelow, parentOf, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { types } from "../wire/codes.ts";
import { assemble, fillAbove } from "./assemble.ts";
import type { Assembly } from "./assemble.ts";
import { readInline } from "./inline.ts";
import { toProblem } from "./record.ts";
import type { Finding } from "./record.ts";
import { closestZone } from "./resolve.ts";
import { emptyNode } from "./zone.ts";
import type { Zone } from "./zone.ts";

/** Every dnsZone of a config, by its apex. */
export interface BuiltZones {
  readonly zones: ReadonlyMap<Name, Zone>;
  readonly warnings: readonly Finding[];
}

/** Builds and checks every dnsZone.
 * @throws {ConfigError} with everything that is wrong with any of them */
export function buildZones(dnsZones: Readonly<Record<string, DnsZoneConfig>>): BuiltZones {
  const assemblies = Object.entries(dnsZones).map(([name, config]) => assembleZone(name, config));
  const problems = assemblies.flatMap(({ problems }) => problems);
  if (problems.length > 0) throw new ConfigError(problems.map(toProblem));
  const zones = new Map(assemblies.flatMap(({ zone }) => (zone ? [[zone.apex, zone] as const] : [])));
  const warnings = assemblies.flatMap((one) => one.warnings);
  return { zones: delegateNested(zones, warnings), warnings };
}

/** What is wrong with the records that stand in the config, and with dnsZones that have no others. */
export function findProblems(
  dnsZones: Readonly<Record<string, DnsZoneConfig>>,
): { readonly path: readonly PropertyKey[]; readonly message: string }[] {
  const problems = Object.entries(dnsZones).flatMap(([name, config]) => assembleZone(name, config).problems);
  return problems.flatMap(({ place, message }) => ("path" in place ? [{ path: place.path, message }] : []));
}

/** One dnsZone on its own.
 * @throws {ConfigError} with everything that is wrong */
export function buildZone(name: string, config: DnsZoneConfig): Zone {
  const { zone, problems } = assembleZone(name, config);
  if (!zone) throw new ConfigError(problems.map(toProblem));
  return zone;
}

/** What can be said of a dnsZone; its records are checked as a whole only if each of them is right. */
function assembleZone(name: string, config: DnsZoneConfig): Assembly {
  const apex = parseName(name === "@" ? "." : name, "");
  assert(apex !== undefined, `${name} was validated with the config`);
  const inline = readInline(name, config, apex);
  if (config.file !== undefined)
    return {
      zone: undefined,
      problems: [{ place: { path: ["dnsZones", name, "file"] }, message: "zone files are not read yet" }],
      warnings: [],
    };
  if (inline.problems.length > 0) return { zone: undefined, problems: inline.problems, warnings: [] };
  return assemble({ name, apex, ttl: config.ttl, records: inline.records, steered: inline.steered });
}

/** A dnsZone below another of ours is delegated there, whether its NS are repeated there or not: the upper one must know
 * that the name exists, and answers for its DS. */
function delegateNested(zones: ReadonlyMap<Name, Zone>, warnings: Finding[]): Map<Name, Zone> {
  const nested = new Map(zones);
  for (const child of zones.values()) {
    const parent = child.apex === "" ? undefined : closestZone(nested, parentOf(child.apex));
    const ns = child.nodes.get(child.apex)?.sets.get(types.NS);
    if (!parent || !ns || isDelegated(parent, child.apex)) continue;
    const kept = [...parent.nodes].filter(([name]) => !isAtOrBelow(name, child.apex));
    const hidden = [...parent.nodes].filter(([name, { sets }]) => sets.size > 0 && isAtOrBelow(name, child.apex));
    for (const [name] of hidden) {
      const message = `${formatName(name)} is never answered: ${formatName(child.apex)} is a dnsZone of its own`;
      warnings.push({ place: { path: ["dnsZones", parent.name] }, message });
    }
    const nodes = new Map(kept);
    nodes.set(child.apex, { ...emptyNode, cut: { ns, ds: undefined } });
    fillAbove(nodes, child.apex, parent.apex);
    nested.set(parent.apex, { ...parent, nodes });
  }
  return nested;
}

function isDelegated({ nodes, apex }: Zone, name: Name): boolean {
  for (let at = name; at !== apex; at = parentOf(at)) if (nodes.get(at)?.cut) return true;
  return false;
}
