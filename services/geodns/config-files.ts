import { ConfigError } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { locateIn } from "#shared/config/origin.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { createCookieJar } from "./cookie-jar.ts";
import { readKeys } from "./dnssec/signing.ts";
import type { KeysOfZone } from "./dnssec/signing.ts";
import { readAllCertificates } from "./entrances.ts";
import { openGeo } from "./geo-tree/source.ts";
import type { OpenedGeo } from "./geo-tree/source.ts";
import { readOverrides } from "./overrides/store.ts";
import { diskFiles } from "./zone-files.ts";
import { buildZones } from "./zone/build.ts";
import type { BuiltZones } from "./zone/build.ts";
import { formatPlace } from "./zone/record.ts";

/** What the files of a config say. */
export interface ConfigFiles {
  readonly built: BuiltZones;
  readonly keys: readonly KeysOfZone[];
  readonly geo: OpenedGeo;
  /** What is odd in dnsZones, but no error; `place` is for people. */
  readonly warnings: readonly { readonly place: string; readonly message: string }[];
}

export interface WhatToRead {
  /** False: those of the file are in force already, and a fault in it is told elsewhere. */
  readonly overrides: boolean;
}

const nobodysSeed = new Uint8Array(32);

/** Reads every file that a config names: zone files, keys, geo databases, certificates, secrets and overrides. The last three are
 * read again by those who use them; here only for what is wrong with them.
 * @throws {ConfigError} with everything that is wrong with any of them, each with its place */
export async function readFiles(config: GeodnsConfig, what: WhatToRead): Promise<ConfigFiles> {
  const problems: Problem[] = [];
  const attempt = async <T>(read: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
      return undefined;
    }
  };
  const locate = locateIn(config);
  const now = Math.floor(Date.now() / 1_000);
  const built = await attempt(() => buildZones(config.dnsZones, diskFiles, locate));
  const keys = await attempt(() => readKeys(config, locate, now));
  const geo = await attempt(() => openGeo(config.geo, locate));
  await attempt(() => readAllCertificates(config));
  if (config.cookies.enabled) await attempt(() => createCookieJar(config.cookies, nobodysSeed, locate));
  if (what.overrides) await attempt(() => readOverrides(config));
  if (!built || !keys || !geo || problems.length > 0) throw new ConfigError(problems);
  const warnings = built.warnings.map(({ place, message }) => ({ place: formatPlace(place, locate), message }));
  return { built, keys, geo, warnings };
}
