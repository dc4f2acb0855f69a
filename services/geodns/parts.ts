import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Host } from "#shared/server/service.ts";
import { everyFileIn } from "#shared/server/watch.ts";
import { compileZones } from "./compiled/zones.ts";
import type { CompiledZones } from "./compiled/zones.ts";
import { withKeys } from "./dnssec/signing.ts";
import type { Signers, Signing } from "./dnssec/signing.ts";
import { geoPartsOf } from "./geo-tree/source.ts";
import type { GeoParts } from "./geo-tree/source.ts";
import type { SteeredService } from "./steered-service.ts";
import { diskFiles } from "./zone-files.ts";
import { buildZones } from "./zone/build.ts";
import { formatPlace } from "./zone/record.ts";

/** What a config becomes; replaced whole by a reload. */
export interface Parts {
  readonly config: GeodnsConfig;
  readonly geo: GeoParts;
  readonly zones: CompiledZones;
  /** Zone files, geo databases and folders of keys that were read. */
  readonly files: readonly string[];
  /** Of the dnsZones that are signed. */
  readonly signers: Signers;
  readonly services: ReadonlyMap<string, SteeredService>;
}

/** What stands in the dnsZones and their files, signed and encoded, and where clients are.
 * @throws {UsageError} with everything that is wrong with dnsZones, keys or databases; then nothing has changed */
export async function buildParts(
  config: GeodnsConfig,
  { log }: Pick<Host, "log">,
  signing: Signing,
): Promise<Omit<Parts, "services">> {
  const { zones: written, warnings, files } = buildZones(config.dnsZones, diskFiles);
  for (const { place, message } of warnings) log.warn({ place: formatPlace(place), message }, "zone_warning");
  const signers = signing.load(config, written);
  const geo = await geoPartsOf({ geo: config.geo, rules: config });
  const zones = withKeys(written, signers);
  await signing.signAll(zones, signers);
  return { config, geo, zones: compileZones(zones, signers), files: [...files, ...otherFilesOf(config)], signers };
}

/** What is read beside the config and the zone files. Certificates, secrets and overrides are read again without a reload. */
function otherFilesOf({ geo, dnsZones }: GeodnsConfig): readonly string[] {
  const databases = [geo.database, geo.asnDatabase ?? "builtin"].filter((file) => file !== "builtin");
  const folders = Object.values(dnsZones).flatMap(({ dnssec }) => (dnssec ? [everyFileIn(dnssec.keys)] : []));
  return [...new Set([...databases, ...folders])];
}

/** Services whose first health round a reload awaits. */
export function namesOfFresh(config: GeodnsConfig, before: Parts): string[] {
  const isSameSource = config.localAddress === before.config.localAddress;
  const fresh = Object.entries(config.services).filter(
    ([name, service]) => !isSameSource || !before.services.get(name)?.canTake(service),
  );
  return fresh.map(([name]) => name);
}
