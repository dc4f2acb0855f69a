import { parseAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import { createGeo } from "#shared/geo/geo.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { Visitor } from "./route/match.ts";

/** The database of a config that has use for one.
 * @throws {UsageError} naming the database file, if it is missing or corrupt */
export async function geoFor({ routes, geo }: L7RouterConfig): Promise<Geo | undefined> {
  return routes.some(({ match }) => match.countries) ? createGeo(geo) : undefined;
}

/** A client, looked up only when a route asks. */
export class Client implements Visitor {
  readonly #address: string;
  readonly #geo: Geo | undefined;
  #bytes: AddressBytes | undefined;
  #country: string | null | undefined;

  constructor(address: string, geo: Geo | undefined) {
    this.#address = address;
    this.#geo = geo;
  }

  get bytes(): AddressBytes | undefined {
    return (this.#bytes ??= parseAddress(this.#address));
  }

  get country(): string | null {
    if (this.#country !== undefined) return this.#country;
    const { bytes } = this;
    return (this.#country = bytes && this.#geo ? this.#geo.placeOf(bytes).place.country : null);
  }
}
