import { noPaint, printable, renderTable, stateCell } from "../table.ts";
import type { Cell, Column, Paint } from "../table.ts";
import type { DnsTold, PlaceTold } from "./schema.ts";

/** How a name server would answer, step by step: client → place → rule → regions → addresses → answer. */
export function dnsText(told: DnsTold, server: string, paint: Paint = noPaint): string {
  const { name, type, rcode, answer, ttl, scope } = told;
  const steps: [string, string][] = [
    ["asked", `${server}: ${name} ${type}`],
    ["client", clientText(told)],
    ...(told.source && told.place ? ([["place", placeText(told.source, told.place)]] as [string, string][]) : []),
    ["rule", told.rule],
    ...(told.list.length > 0 ? ([["regions", told.list.join(", ")]] as [string, string][]) : []),
    ["outcome", outcomeText(told)],
    ...(told.chain.length > 0 ? ([["alias", [...told.chain, "…"].join(" → ")]] as [string, string][]) : []),
    ["answer", answer.length > 0 ? answer.join(", ") : `${rcode}, no records`],
    ...(ttl === null ? [] : ([["TTL", ttlText(ttl, told.ttlReason)]] as [string, string][])),
    ["scope", scope === 0 ? "/0: the same for every client" : `/${scope}`],
    ...(told.dnssec ? ([["signed", signedText(told.dnssec, rcode)]] as [string, string][]) : []),
  ];
  const width = Math.max(...steps.map(([what]) => what.length));
  const lines = steps.map(([what, text]) => `${paint("dim", what.padEnd(width))}  ${printable(text)}\n`).join("");
  if (told.regions.length === 0) return lines;
  return `${lines}\n${renderTable(regionColumns, told.regions.flatMap(regionRows), paint)}`;
}

function clientText({ client, ecs, decidedBy }: DnsTold): string {
  if (ecs === null) return client;
  return `${client}, with the client subnet ${ecs}${decidedBy === "ecs" ? ", which decides" : ""}`;
}

/** "DE, EU, 51.1 10.4, AS3320, by override 127.49.0.0/16" */
export function placeText({ kind, network, embedded }: PlaceTold["source"], place: PlaceTold["place"]): string {
  const { country, continent, location, asn } = place;
  const parts = [country, continent, location?.join(" "), asn === null ? null : `AS${asn}`];
  const known = parts.filter((part) => part !== null && part !== undefined).join(", ");
  const by = kind === "none" ? "no source knows it" : `by ${kind} ${network ?? ""}`;
  const via = embedded ? `, as ${embedded.address} (${embedded.kind})` : "";
  return `${known === "" ? "unknown" : known}, ${by}${via}`;
}

function outcomeText({ reason, regions, service, rcode }: DnsTold): string {
  if (regions.length === 0) return reason === "OK" ? rcode : `${rcode} (${reason})`;
  const chosen = regions.filter((region) => region.chosen).map(({ region }) => region);
  return `${service ?? ""} → ${chosen.join(", ") || "no region"} (${reason})`;
}

function ttlText(ttl: number, reason: string | null): string {
  return reason === "CHANGING" ? `${ttl} s (CHANGING: lower while a region's state may change)` : `${ttl} s`;
}

function signedText({ dnsZone, keys, rcode }: NonNullable<DnsTold["dnssec"]>, plain: string): string {
  const by = `for who sets DO, by ${dnsZone} key ${keys.join(", ")}`;
  return rcode === plain ? by : `${by}; then ${rcode}, with a proof in place of ${plain}`;
}

const regionColumns: readonly Column[] = [
  { title: "" },
  { title: "region" },
  { title: "state" },
  { title: "reason" },
  { title: "forced" },
  { title: "weight", align: "right" },
];

function regionRows(region: DnsTold["regions"][number]): Cell[][] {
  const state = region.changing ? "changing" : region.healthy ? "up" : "down";
  const row: Cell[] = [region.chosen ? "→" : "", region.region, stateCell(state), region.reason, region.override ?? ""];
  return [
    row,
    ...region.addresses.map((one): Cell[] => [
      "",
      `  ${one.address}`,
      stateCell(one.state),
      one.reason,
      one.override ?? "",
      String(one.weight),
    ]),
  ];
}

const placeColumns: readonly Column[] = [
  { title: "address" },
  { title: "place" },
  { title: "regions" },
  { title: "rule" },
  { title: "scope", align: "right" },
];

/** One row an address. */
export function placesText(places: readonly PlaceTold[], paint: Paint = noPaint): string {
  const rows = places.map(({ address, source, place, list, rule, scope }) => [
    address,
    placeText(source, place),
    list.join(", "),
    rule,
    `/${scope}`,
  ]);
  return renderTable(placeColumns, rows, paint);
}
