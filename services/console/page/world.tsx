import { geoGraticule10, geoInterpolate, geoNaturalEarth1, geoPath } from "d3-geo";
import type { GeoPermissibleObjects } from "d3-geo";
import { signal, useSignal } from "@preact/signals";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import { useEffect } from "preact/hooks";
import type { CountryTraffic, RegionView, Snapshot } from "../model.ts";
import { Card, StateMark, Table } from "./parts.tsx";
import { go } from "./route.ts";
import { command, session, snapshot } from "./store.ts";
import type { Trace } from "./trace-model.ts";
import { RateSlider, TrafficPanel, sendFrom, wantedRates } from "./traffic.tsx";
import { rateText, shapes } from "./words.ts";

const [width, height] = [960, 460];
const projection = geoNaturalEarth1().fitExtent(
  [
    [4, 4],
    [width - 4, height - 4],
  ],
  { type: "Sphere" },
);
const draw = geoPath(projection);
const arcSteps = 24;
const clickRate = 10; // requests a second from a country that was clicked

const land = signal<string | null>(null);
const borders = signal<string | null>(null);
const chosen = signal<string | null>(null);

async function loadMap(): Promise<void> {
  const { default: world } = (await import("world-atlas/countries-110m.json")) as unknown as { default: Topology };
  land.value = draw(feature(world, world.objects["land"] as GeometryCollection));
  borders.value = draw(feature(world, world.objects["countries"] as GeometryCollection));
}

/** Where clients are, and which region answers them. */
export function World() {
  useEffect(() => {
    if (land.value === null) void loadMap();
  }, []);
  const shown = snapshot.value;
  if (!shown) return <p />;
  return (
    <>
      <p class="lead">
        Choose a country: a client there resolves the name, and sends requests to the region that it was given.
      </p>
      <div class={chosen.value ? "split" : ""}>
        <section class="card map" aria-label="Map">
          <WorldMap shown={shown} />
          <Legend />
        </section>
        {chosen.value ? <CountryDetail code={chosen.value} /> : null}
      </div>
      <div class="columns">
        <RegionTable regions={shown.regions} />
        <TrafficPanel />
      </div>
    </>
  );
}

function WorldMap({ shown }: { readonly shown: Snapshot }) {
  const clients = Object.entries(session.value?.countries ?? {});
  const traffic = new Map((shown.traffic?.countries ?? []).map((one) => [one.country, one]));
  return (
    <svg
      viewBox={`0 0 ${width} ${height}`}
      role="group"
      aria-label="World map: countries of test clients, regions, and who answers whom"
    >
      <path class="sphere" d={draw({ type: "Sphere" }) ?? ""} />
      <path class="graticule" d={draw(geoGraticule10()) ?? ""} />
      <path class="land" d={land.value ?? ""} />
      <path class="borders" d={borders.value ?? ""} />
      <g aria-hidden="true">{[...traffic.values()].flatMap((one) => arcsOf(one, shown.regions))}</g>
      {clients.map(([code, { location }]) =>
        location ? <Client key={code} code={code} location={location} traffic={traffic.get(code)} /> : null,
      )}
      {shown.regions.map((region) => (
        <Region key={region.name} region={region} shown={shown} />
      ))}
    </svg>
  );
}

/** From a country to each region that has answered it within the last second; a country whose requests fail has a broken one to nowhere. */
function arcsOf({ country, answers, failed, requests }: CountryTraffic, regions: readonly RegionView[]) {
  const from = session.value?.countries[country]?.location;
  if (!from) return [];
  return regions.flatMap((region) => {
    const count = answers[region.name] ?? 0;
    if (count === 0) return [];
    const state = failed > 0 ? "bad" : region.seen.some(({ healthy, forced }) => !healthy || forced) ? "warn" : "good";
    return [
      <path
        key={`${country} ${region.name}`}
        class={`arc ${state}`}
        data-arc={`${country} ${region.name}`}
        d={arcPath(from, region.location)}
        stroke-width={Math.min(7, 1 + Math.sqrt(count))}
      >
        <title>
          {country} → {region.name}: {count} of {requests} a second
        </title>
      </path>,
    ];
  });
}

/** A great circle, lifted a little, so that arcs of neighbours do not cover each other. */
function arcPath(from: readonly [number, number], to: readonly [number, number]): string {
  const along = geoInterpolate([from[1], from[0]], [to[1], to[0]]);
  const points = Array.from({ length: arcSteps + 1 }, (_, i) => along(i / arcSteps));
  return draw({ type: "LineString", coordinates: points } satisfies GeoPermissibleObjects) ?? "";
}

function Client({
  code,
  location,
  traffic,
}: {
  readonly code: string;
  readonly location: readonly [number, number];
  readonly traffic: CountryTraffic | undefined;
}) {
  const [x, y] = projection([location[1], location[0]]) ?? [0, 0];
  const sends = (traffic?.requests ?? 0) > 0;
  const open = () => (chosen.value = code);
  const label = `${code}${sends ? `: ${traffic?.requests} requests a second, ${traffic?.failed} failed` : ""}`;
  return (
    <g
      class={`client ${sends ? "sends" : ""} ${(traffic?.failed ?? 0) > 0 ? "fails" : ""} ${chosen.value === code ? "chosen" : ""}`}
      transform={`translate(${x} ${y})`}
      role="button"
      tabindex={0}
      aria-label={label}
      data-country={code}
      onClick={open}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        open();
      }}
    >
      <title>{label}</title>
      <circle class="hit" r="11" />
      <circle r={sends ? 5 : 3.2} />
      <text y={-8}>{code}</text>
    </g>
  );
}

function Region({ region, shown }: { readonly region: RegionView; readonly shown: Snapshot }) {
  const [x, y] = projection([region.location[1], region.location[0]]) ?? [0, 0];
  const off = region.seen.some(({ healthy, forced }) => !healthy || (forced !== null && forced !== "up"));
  const level = off ? "bad" : "good";
  const rate = shown.sample.regions[region.name] ?? 0;
  return (
    <g class={`place ${level}`} transform={`translate(${x} ${y})`}>
      <rect x="-9" y="-9" width="18" height="18" rx="4" />
      <text class="shape" y="5">
        {shapes[level]}
      </text>
      <text class="name" y="26">
        {region.name}
      </text>
      <text class="name" y="40">
        {rateText(rate)}/s
      </text>
    </g>
  );
}

function Legend() {
  return (
    <p class="legend quiet">
      <span>
        <svg viewBox="0 0 30 8" aria-hidden="true">
          <path class="arc good" d="M0 4h30" stroke-width="3" />
        </svg>{" "}
        answered
      </span>
      <span>
        <svg viewBox="0 0 30 8" aria-hidden="true">
          <path class="arc warn" d="M0 4h30" stroke-width="3" />
        </svg>{" "}
        the region is on its way down or up
      </span>
      <span>
        <svg viewBox="0 0 30 8" aria-hidden="true">
          <path class="arc bad" d="M0 4h30" stroke-width="3" />
        </svg>{" "}
        some requests fail
      </span>
      <span>thicker: more requests</span>
    </p>
  );
}

/** Traffic of one country, and why it goes where it goes. */
function CountryDetail({ code }: { readonly code: string }) {
  const trace = useSignal<Trace | null>(null);
  const ask = async () => {
    trace.value =
      (await command<Trace>("trace", { from: code, method: "GET", url: "/api/users", headers: [] })) ?? null;
  };
  useEffect(() => {
    trace.value = null;
    if ((wantedRates()[code] ?? 0) === 0) void sendFrom(code, clickRate);
    void ask();
  }, [code]);
  const wanted = wantedRates()[code] ?? 0;
  const { dns, http, connections } = trace.value ?? {};
  return (
    <Card
      title={`Clients in ${code}`}
      aside={
        <button type="button" aria-label="Close" onClick={() => (chosen.value = null)}>
          ✕
        </button>
      }
    >
      <div class="row">
        <label class="grow">
          Requests/s
          <RateSlider country={code} />
        </label>
        <output>{rateText(wanted)}/s</output>
        <button type="button" onClick={() => void sendFrom(code, 0)}>
          Stop
        </button>
      </div>
      <h3>Why it goes there</h3>
      {trace.value ? (
        <ol class="steps">
          <li>
            {dns?.node ?? "no name server"}: place {dns?.decision?.place?.country ?? "unknown"}, rule{" "}
            {dns?.decision?.rule ?? "none"} → <strong>{dns?.decision?.region ?? "none"}</strong> (
            {dns?.decision?.reason})
          </li>
          <li>
            {http?.node ?? "no router"}: pool <strong>{http?.decision?.pool ?? "none"}</strong> →{" "}
            {http?.decision?.attempts?.at(-1)?.choice.name ?? "nobody"} ({http?.decision?.reason})
          </li>
          {connections?.map((connection) => (
            <li key={connection.attempt}>
              {connection.node ?? "a forwarder"}: server <strong>{connection.decision?.serverName ?? "unknown"}</strong>
            </li>
          ))}
        </ol>
      ) : (
        <p class="quiet">One request is on its way…</p>
      )}
      <div class="buttons">
        <button type="button" onClick={() => void ask()}>
          Ask again
        </button>
        <button type="button" onClick={() => go("request", { from: code, url: "/api/users", send: "1" })}>
          Every decision
        </button>
      </div>
    </Card>
  );
}

function RegionTable({ regions }: { readonly regions: readonly RegionView[] }) {
  return (
    <Card title="Regions">
      <Table label="Regions" head={["region", "seen by", "state", "reason", "answers/s"]}>
        {regions.flatMap((region) =>
          region.seen.map(({ by, healthy, reason, forced }) => (
            <tr key={`${region.name} ${by}`}>
              <th scope="row">{region.name}</th>
              <td>{by}</td>
              <td>
                <StateMark state={forced ?? (healthy ? "up" : "down")} />
              </td>
              <td>{reason}</td>
              <td class="number">{rateText(region.steeredRate)}</td>
            </tr>
          )),
        )}
      </Table>
    </Card>
  );
}
