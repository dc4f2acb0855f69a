import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Host } from "#shared/server/service.ts";
import { everyFileIn } from "#shared/server/watch.ts";
import { readFiles } from "./config-files.ts";
import type { WhatToRead } from "./config-files.ts";
import { compileZones } from "./compiled/zones.ts";
import type { CompiledZones } from "./compiled/zones.ts";
import { withKeys } from "./dnssec/signing.ts";
import type { Signers, Signing } from "./dnssec/signing.ts";
import { geoPartsOf } from "./geo-tree/source.ts";
import type { GeoParts } from "./geo-tree/source.ts";
import type { SteeredService } from "./steered-service.ts";

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
 * @throws {ConfigError} with everything that is wrong with any file that the config names; then nothing has changed */
export async function buildParts(
  config: GeodnsConfig,
  { log }: Pick<Host, "log">,
  signing: Signing,
  what: WhatToRead,
): Promise<Omit<Parts, "services">> {
  const read = await readFiles(config, what);
  const { zones: written, files } = read.built;
  for (const { place, message } of read.warnings) log.warn({ place, message }, "zone_warning");
  const signers = signing.signersOf(read.keys);
  const geo = await geoPartsOf(read.geo, { geo: config.geo, rules: config });
  const zones = withKeys(written, signers);
  await signing.signAll(zones, signers);
  return { config, geo, zones: compileZones(zones, signers), files: [...files, ...otherFilesOf(config)], signers };
}

/** Every file that a config names. */
export function filesOf(config: GeodnsConfig): readonly string[] {
  const { dnsZones, tls, https, cookies, overrides } = config;
  const zoneFiles = Object.values(dnsZones).flatMap(({ file }) => file ?? []);
  const pairs = [tls, https].flatMap((section) => section?.certificates ?? []);
  const others = [...pairs.flatMap(({ cert, key }) => [cert, key]), cookies.secretFile ?? [], overrides ?? []].flat();
  return [...zoneFiles, ...otherFilesOf(config), ...others];
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
