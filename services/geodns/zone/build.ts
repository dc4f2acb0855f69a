import { ConfigError, expectation } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { locateByPath } from "#shared/config/origin.ts";
import type { Locate } from "#shared/config/origin.ts";
import type { DnsZoneConfig } from "#shared/config/schema/dns-zone.ts";
import { assert } from "#shared/core/error.ts";
import { formatName, isAtOrBelow, parentOf, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { typeName, types } from "../wire/codes.ts";
import { assemble, fillAbove } from "./assemble.ts";
import type { Assembly } from "./assemble.ts";
import { readInline } from "./inline.ts";
import { RecordError } from "./rdata/words.ts";
import { formatPlace, toProblem } from "./record.ts";
import type { Finding, ZoneRecord } from "./record.ts";
import { closestZone } from "./resolve.ts";
import { emptyNode } from "./zone.ts";
import { readZoneFile } from "./zone-file.ts";
import type { FileSource, ZoneFile } from "./zone-file.ts";
import type { Zone } from "./zone.ts";

/** Every dnsZone of a config, by its apex. */
export interface BuiltZones {
  readonly zones: ReadonlyMap<Name, Zone>;
  readonly warnings: readonly Finding[];
  /** Zone files that were read. */
  readonly files: readonly string[];
}

/** Builds and checks every dnsZone.
 * @param locate where they stand in the config
 * @throws {ConfigError} with everything that is wrong with any of them, their files included */
export function buildZones(dnsZones: DnsZones, source: FileSource, locate: Locate = locateByPath): BuiltZones {
  const problems: Problem[] = [];
  const assemblies = Object.entries(dnsZones).map(([name, config]) => {
    const assembly = assembleZone(name, config, source, locate);
    const fileKey = config.file === undefined ? undefined : ["dnsZones", name, "file"];
    for (const finding of assembly.problems) problems.push(toProblem(finding, locate, fileKey));
    return assembly;
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const zones = new Map(assemblies.flatMap(({ zone }) => (zone ? [[zone.apex, zone] as const] : [])));
  const warnings = assemblies.flatMap((one) => one.warnings);
  const files = [...new Set(assemblies.flatMap((one) => one.files))];
  return { zones: delegateNested(zones, warnings), warnings, files };
}

type DnsZones = Readonly<Record<string, DnsZoneConfig>>;

/** What is wrong with the records that stand in the config, and with dnsZones that have no others. */
export function findProblems(
  dnsZones: DnsZones,
): { readonly path: readonly PropertyKey[]; readonly message: string }[] {
  const problems = Object.entries(dnsZones).flatMap(([name, config]) => {
    const apex = apexOf(name);
    const inline = readInline(name, config, apex);
    if (inline.problems.length > 0 || config.file !== undefined) return inline.problems;
    return assemble({ name, apex, isSigned: isSigned(config), file: undefined, ttl: config.ttl, ...inline }).problems;
  });
  return problems.flatMap(({ place, message }) => ("path" in place ? [{ path: place.path, message }] : []));
}

/** One dnsZone without a file.
 * @throws {ConfigError} with everything that is wrong */
export function buildZone(name: string, config: DnsZoneConfig): Zone {
  const { zone, problems } = assembleZone(name, config, undefined, locateByPath);
  if (!zone) throw new ConfigError(problems.map((one) => toProblem(one, locateByPath)));
  return zone;
}

export function apexOf(name: string): Name {
  const apex = parseName(name === "@" ? "." : name, "");
  assert(apex !== undefined, `${name} was validated with the config`);
  return apex;
}

/** What can be said of a dnsZone; its records are checked as a whole only if each of them is right. */
function assembleZone(
  name: string,
  config: DnsZoneConfig,
  source: FileSource | undefined,
  locate: Locate,
): Assembly & { readonly files: readonly string[] } {
  const apex = apexOf(name);
  const inline = readInline(name, config, apex);
  const { problems, files, records } =
    config.file === undefined || !source ? noFile : readFileOf(name, config.file, { apex, ttl: config.ttl }, source);
  const wrong = [...inline.problems, ...problems, ...conflicts(inline.records, records, locate)];
  if (wrong.length > 0) return { zone: undefined, problems: wrong, warnings: [], files };
  const parts = {
    name,
    apex,
    isSigned: isSigned(config),
    file: config.file,
    ttl: config.ttl,
    records: [...inline.records, ...records],
    steered: inline.steered,
  };
  return { ...assemble(parts), files };
}

function isSigned({ dnssec }: DnsZoneConfig): boolean {
  return dnssec !== undefined;
}

const fromHere = "paths are found from the working directory of the name server";
const noFile: ZoneFile = { records: [], problems: [], files: [] };

function readFileOf(
  name: string,
  file: string,
  { apex, ttl }: { apex: Name; ttl: number },
  source: FileSource,
): ZoneFile {
  try {
    return readZoneFile(file, apex, ttl, source);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    const problem = { place: { path: ["dnsZones", name, "file"] }, message: `${error.message} (${fromHere})` };
    return { records: [], problems: [problem], files: [source.locate(file, undefined)] };
  }
}

/** A record set stands in the file or in the config, whole: nobody would look for the rest of it elsewhere. */
function conflicts(inline: readonly ZoneRecord[], filed: readonly ZoneRecord[], locate: Locate): Finding[] {
  const keyOf = ({ owner, type }: ZoneRecord) => `${type} ${owner}`;
  const places = new Map(inline.map((record) => [keyOf(record), record.place]));
  return filed.flatMap((record) => {
    const other = places.get(keyOf(record));
    if (!other) return [];
    places.delete(keyOf(record));
    const set = `${formatName(record.owner)} ${typeName(record.type)}`;
    const expected = "each set of records in the zone file or in the config";
    const got = `${set} in both: the other one is at ${formatPlace(other, locate)}`;
    return [{ place: record.place, message: expectation({ expected, got, hint: "move the set to one of them" }) }];
  });
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
