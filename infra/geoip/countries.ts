/** Writes shared/geo/countries.ts: continent and centre of every country.
 *
 *     node infra/geoip/countries.ts && npx oxfmt shared/geo/countries.ts
 *
 * The centre is the spherical centroid of the country's largest polygon in world-atlas (Natural Earth 1:50m, public
 * domain), so that France lies in Europe and Alaska does not move the USA. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

type Point = readonly [longitude: number, latitude: number];
type Vector = readonly [x: number, y: number, z: number];

interface Geometry {
  readonly type: "Polygon" | "MultiPolygon";
  /** ISO 3166 numeric; absent where Natural Earth knows none. */
  readonly id?: string;
  /** Indexes of arcs, per ring, per polygon (MultiPolygon only). `~i` is arc i backwards. */
  readonly arcs: readonly (readonly number[])[] | readonly (readonly (readonly number[])[])[];
}

interface Topology {
  readonly arcs: readonly (readonly Point[])[];
  readonly transform: { readonly scale: Point; readonly translate: Point };
  readonly objects: { readonly countries: { readonly geometries: readonly Geometry[] } };
}

/** ISO 3166-1: alpha-2 and numeric of every country, by continent (UN M49; its Americas as North, with Central and the
 * Caribbean, and South). */
const isoByContinent = {
  AF: `
    AO024 BF854 BI108 BJ204 BW072 CD180 CF140 CG178 CI384 CM120 CV132 DJ262 DZ012 EG818 EH732 ER232 ET231 GA266
    GH288 GM270 GN324 GQ226 GW624 KE404 KM174 LR430 LS426 LY434 MA504 MG450 ML466 MR478 MU480 MW454 MZ508 NA516
    NE562 NG566 RE638 RW646 SC690 SD729 SH654 SL694 SN686 SO706 SS728 ST678 SZ748 TD148 TG768 TN788 TZ834 UG800
    YT175 ZA710 ZM894 ZW716
  `,
  AN: `
    AQ010 BV074 GS239 HM334 TF260
  `,
  AS: `
    AE784 AF004 AM051 AZ031 BD050 BH048 BN096 BT064 CC166 CN156 CX162 CY196 GE268 HK344 ID360 IL376 IN356 IO086
    IQ368 IR364 JO400 JP392 KG417 KH116 KP408 KR410 KW414 KZ398 LA418 LB422 LK144 MM104 MN496 MO446 MV462 MY458
    NP524 OM512 PH608 PK586 PS275 QA634 SA682 SG702 SY760 TH764 TJ762 TL626 TM795 TR792 TW158 UZ860 VN704 YE887
  `,
  EU: `
    AD020 AL008 AT040 AX248 BA070 BE056 BG100 BY112 CH756 CZ203 DE276 DK208 EE233 ES724 FI246 FO234 FR250 GB826
    GG831 GI292 GR300 HR191 HU348 IE372 IM833 IS352 IT380 JE832 LI438 LT440 LU442 LV428 MC492 MD498 ME499 MK807
    MT470 NL528 NO578 PL616 PT620 RO642 RS688 RU643 SE752 SI705 SJ744 SK703 SM674 UA804 VA336
  `,
  NA: `
    AG028 AI660 AW533 BB052 BL652 BM060 BQ535 BS044 BZ084 CA124 CR188 CU192 CW531 DM212 DO214 GD308 GL304 GP312
    GT320 HN340 HT332 JM388 KN659 KY136 LC662 MF663 MQ474 MS500 MX484 NI558 PA591 PM666 PR630 SV222 SX534 TC796
    TT780 US840 VC670 VG092 VI850
  `,
  OC: `
    AS016 AU036 CK184 FJ242 FM583 GU316 KI296 MH584 MP580 NC540 NF574 NR520 NU570 NZ554 PF258 PG598 PN612 PW585
    SB090 TK772 TO776 TV798 UM581 VU548 WF876 WS882
  `,
  SA: `
    AR032 BO068 BR076 CL152 CO170 EC218 FK238 GF254 GY328 PE604 PY600 SR740 UY858 VE862
  `,
} as const;

/** Places too small for the map, or drawn there as a part of another country. Latitude, longitude. */
const centresByHand: Readonly<Record<string, readonly [latitude: number, longitude: number]>> = {
  BQ: [12.2, -68.26], // Bonaire
  BV: [-54.42, 3.36],
  CC: [-12.17, 96.84],
  CX: [-10.49, 105.63],
  GF: [3.93, -53.13], // drawn as a part of France, as are GP, MQ, RE and YT
  GI: [36.14, -5.35],
  GP: [16.25, -61.55],
  MQ: [14.64, -61.02],
  RE: [-21.13, 55.54],
  SJ: [78.62, 16.8], // drawn as a part of Norway
  TK: [-9.2, -171.85],
  TV: [-8.52, 179.2],
  UM: [19.28, 166.65], // Wake Island
  XK: [42.58, 20.9], // Kosovo: not in ISO 3166, but the code that geo databases use
  YT: [-12.83, 45.17],
};
const continentsByHand: Readonly<Record<string, string>> = { XK: "EU" };

const require = createRequire(import.meta.url);
const atlas = JSON.parse(readFileSync(require.resolve("world-atlas/countries-50m.json"), "utf8")) as Topology;
const { version } = require("world-atlas/package.json") as { version: string };

/** The points of an arc, in degrees. @see https://github.com/topojson/topojson-specification §2.1.4 */
function decodeArc(arc: readonly Point[]): Point[] {
  const { scale, translate } = atlas.transform;
  let x = 0;
  let y = 0;
  return arc.map(([dx, dy]) => {
    x += dx;
    y += dy;
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
  });
}

const arcs = atlas.arcs.map(decodeArc);

function pointsOf(ring: readonly number[]): Point[] {
  return ring.flatMap((index) => (index >= 0 ? (arcs[index] ?? []) : [...(arcs[~index] ?? [])].toReversed()).slice(1));
}

function vectorOf([longitude, latitude]: Point): Vector {
  const [lambda, phi] = [(longitude * Math.PI) / 180, (latitude * Math.PI) / 180];
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}

const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
const dot = (a: Vector, b: Vector) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const plus = (a: Vector, b: Vector, times: number): Vector => [
  a[0] + b[0] * times,
  a[1] + b[1] * times,
  a[2] + b[2] * times,
];

/** Centroid of a spherical polygon; its length is about the area. Knows no antimeridian and no pole.
 * @see Brock, "The inertia tensor for a spherical triangle", 1974: half the sum of edge angle × edge normal */
function centroidOf(ring: readonly Point[]): Vector {
  const corners = ring.map(vectorOf);
  let centroid: Vector = [0, 0, 0];
  let middle: Vector = [0, 0, 0];
  for (const [i, corner] of corners.entries()) {
    const next = corners[(i + 1) % corners.length] ?? corner;
    const normal = cross(corner, next);
    const length = Math.hypot(...normal);
    if (length > 0) centroid = plus(centroid, normal, Math.atan2(length, dot(corner, next)) / length / 2);
    middle = plus(middle, corner, 1);
  }
  return dot(centroid, middle) < 0 ? [-centroid[0], -centroid[1], -centroid[2]] : centroid;
}

/** Every ring of a country's polygons. The largest is an outline: Antarctica's first is a sliver along the pole. */
function ringsOf(geometry: Geometry): Point[][] {
  const polygons = geometry.type === "Polygon" ? [geometry.arcs] : geometry.arcs;
  return (polygons as readonly (readonly (readonly number[])[])[]).flatMap((polygon) => polygon.map(pointsOf));
}

/** Latitude and longitude of the largest polygon drawn under this numeric code; undefined if there is none. */
function centreOf(numeric: string): readonly [number, number] | undefined {
  const drawn = atlas.objects.countries.geometries.filter(({ id }) => id === numeric);
  const centroids = drawn.flatMap(ringsOf).map(centroidOf);
  if (centroids.length === 0) return undefined;
  const [x, y, z] = centroids.reduce((a, b) => (Math.hypot(...b) > Math.hypot(...a) ? b : a));
  const degrees = (radians: number) => Math.round((radians * 18_000) / Math.PI) / 100;
  return [degrees(Math.atan2(z, Math.hypot(x, y))), degrees(Math.atan2(y, x))];
}

function rows(): string[] {
  const countries = Object.entries(isoByContinent).flatMap(([continent, list]) =>
    [...list.matchAll(/([A-Z]{2})(\d{3})/g)].map(([, alpha2 = "", numeric = ""]) => ({ alpha2, numeric, continent })),
  );
  for (const [alpha2, continent] of Object.entries(continentsByHand))
    countries.push({ alpha2, numeric: "", continent });
  countries.sort((a, b) => (a.alpha2 < b.alpha2 ? -1 : 1));
  return countries.map(({ alpha2, numeric, continent }) => {
    const centre = centresByHand[alpha2] ?? centreOf(numeric);
    if (!centre) throw new Error(`${alpha2} is not on the map: add it to centresByHand`);
    return `  ${alpha2}: ["${continent}", ${centre.join(", ")}],`;
  });
}

const text = `// Written by infra/geoip/countries.ts out of world-atlas ${version} (countries-50m) on ${new Date().toISOString().slice(0, 10)}. Do not edit.
import type { Continent } from "./place.ts";

/** Continent, latitude and longitude of the centre of every country of ISO 3166-1, and of Kosovo (XK). */
export const countries: Readonly<Record<string, readonly [Continent, number, number]>> = {
${rows().join("\n")}
};
`;
writeFileSync(fileURLToPath(new URL("../../shared/geo/countries.ts", import.meta.url)), text);
