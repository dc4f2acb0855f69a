import { signal, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type uPlotType from "uplot";
import type { Sample, TimelineEvent } from "../model.ts";
import { Card } from "./parts.tsx";
import { events, lookAt, past, samples, snapshot } from "./store.ts";
import { shapes } from "./words.ts";

const shownMax = 200;

/** What happened, and how it showed: one time line and charts over the last ten minutes. */
export function Events() {
  return (
    <>
      <Scrubber />
      <div class="charts">
        <Chart
          title="Requests/s"
          series={[
            { name: "routers", of: (one) => one.httpRate },
            { name: "name servers", of: (one) => one.dnsRate },
          ]}
        />
        <Chart title="Errors, %" series={[{ name: "5xx", of: (one) => (one.errorShare ?? 0) * 100 }]} />
        <Chart
          title="Time, ms"
          series={[
            { name: "p50", of: (one) => one.p50Ms },
            { name: "p99", of: (one) => one.p99Ms },
          ]}
        />
        <RegionChart />
      </div>
      <Shares />
      <TimeLine />
    </>
  );
}

/** Pauses, and goes back up to ten minutes. */
function Scrubber() {
  const list = samples.value;
  const [first, last] = [list[0]?.atMs ?? 0, list.at(-1)?.atMs ?? 0];
  const then = past.value?.sample.atMs;
  return (
    <div class="row scrubber">
      <button
        type="button"
        onClick={() => void lookAt(then === undefined ? last : null)}
        aria-pressed={then !== undefined}
      >
        {then === undefined ? "Pause" : "Go on"}
      </button>
      <label class="grow">
        <span>{then === undefined ? "now" : new Date(then).toLocaleTimeString()}</span>
        <input
          type="range"
          aria-label="Moment that is shown"
          min={first}
          max={last}
          step={1_000}
          value={then ?? last}
          onInput={(event) => void lookAt(Number(event.currentTarget.value))}
        />
      </label>
    </div>
  );
}

function RegionChart() {
  const names = Object.keys(samples.value.at(-1)?.regions ?? {});
  return (
    <Chart
      title="Requests/s by region"
      series={names.map((name) => ({ name, of: (one: Sample) => one.regions[name] ?? 0 }))}
    />
  );
}

interface Series {
  readonly name: string;
  readonly of: (sample: Sample) => number | null;
}

const strokes = ["--line-1", "--line-2", "--line-3", "--line-4"];
const dashes: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const chartHeight = 150;

const darkness = matchMedia("(prefers-color-scheme: dark)");
/** A canvas does not follow the style sheet: charts are drawn anew when this changes. */
const isDark = signal(darkness.matches);
darkness.addEventListener("change", () => (isDark.value = darkness.matches));

/** A line at the moment that is looked at. */
function drawMoment(plot: uPlotType, colour: string): void {
  const atMs = past.peek()?.sample.atMs;
  if (atMs === undefined) return;
  const { ctx, bbox } = plot;
  const x = Math.min(Math.max(plot.valToPos(atMs / 1_000, "x", true), bbox.left), bbox.left + bbox.width);
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

function Chart({ title, series }: { readonly title: string; readonly series: readonly Series[] }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlotType | null>(null);
  const names = series.map(({ name }) => name).join();
  const newest = samples.value;
  const then = past.value;
  const held = useRef(newest);
  if (!then) held.current = newest; // Paused, a chart stands still.
  const shown = held.current;
  useEffect(() => {
    let isGone = false;
    const box = place.current;
    if (!box) return;
    const resize = new ResizeObserver(() => plot.current?.setSize({ width: box.clientWidth, height: chartHeight }));
    void import("uplot").then(({ default: UPlot }) => {
      if (isGone) return;
      const style = getComputedStyle(document.documentElement);
      const colour = (name: string) => style.getPropertyValue(name).trim();
      const axis = {
        stroke: colour("--text-quiet"),
        grid: { stroke: colour("--border"), width: 1 },
        ticks: { show: false },
      };
      plot.current = new UPlot(
        {
          width: box.clientWidth,
          height: chartHeight,
          cursor: { drag: { x: false, y: false } },
          legend: { live: false },
          scales: { y: { range: (_, min, max) => [Math.min(0, min), Math.max(1, max * 1.1)] } },
          axes: [axis, { ...axis, size: 44 }],
          hooks: { draw: [(drawn) => drawMoment(drawn, colour("--text"))] },
          series: [
            {},
            ...series.map(({ name }, i) => ({
              label: name,
              stroke: colour(strokes[i % strokes.length] ?? "--line-1"),
              dash: [...(dashes[i % dashes.length] ?? [])],
              width: 2,
              points: { show: false },
            })),
          ],
        },
        dataOf(held.current, series),
        box,
      );
      resize.observe(box);
    });
    return () => {
      isGone = true;
      resize.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [names, isDark.value]);
  useEffect(() => plot.current?.setData(dataOf(shown, series)), [shown, then]);
  const last = shown.at(-1);
  const said = series.map(({ name, of }) => `${name} ${last ? (of(last)?.toFixed(1) ?? "none") : "none"}`).join(", ");
  return (
    <Card title={title}>
      <div ref={place} class="chart" role="img" aria-label={`${title}, last: ${said}`} />
    </Card>
  );
}

function dataOf(list: readonly Sample[], series: readonly Series[]): uPlotType.AlignedData {
  return [
    list.map(({ atMs }) => atMs / 1_000),
    ...series.map(({ of }) => list.map((sample) => of(sample))),
  ] as uPlotType.AlignedData;
}

/** How the requests of each service are spread over its servers, now. */
function Shares() {
  const servers = snapshot.value?.servers ?? [];
  const groups = [...Map.groupBy(servers, ({ service }) => service)].filter(([, list]) =>
    list.some(({ rate }) => rate > 0),
  );
  if (groups.length === 0) return null;
  return (
    <Card title="Share of each server">
      <div class="shares">
        {groups.map(([service, list]) => {
          const all = list.reduce((sum, { rate }) => sum + rate, 0);
          const most = Math.max(...list.map(({ rate }) => rate));
          return (
            <section key={service} aria-label={service}>
              <h3>{service}</h3>
              <ul>
                {list.map(({ name, rate }) => (
                  <li key={name}>
                    <span>{name}</span>
                    <meter min={0} max={most || 1} value={rate} aria-label={`${name}: share`} />
                    <span class="number">{all > 0 ? Math.round((rate / all) * 100) : 0} %</span>
                  </li>
                ))}
              </ul>
            </section>
          );
        })}
      </div>
    </Card>
  );
}

const filters = ["all", "bad", "console"] as const;

function TimeLine() {
  const filter = useSignal<(typeof filters)[number]>("all");
  const until = past.value ? new Date(past.value.sample.atMs).toISOString() : "9";
  const wanted = (event: TimelineEvent) =>
    event.at <= until &&
    (filter.value === "all" || (filter.value === "bad" ? event.level === "bad" : event.node === "console"));
  const list = events.value
    .filter(wanted)
    .sort((a, b) => b.at.localeCompare(a.at))
    .slice(0, shownMax);
  return (
    <Card
      title="Time line"
      aside={
        <label class="inline">
          Show
          <select
            value={filter.value}
            onChange={(event) => (filter.value = event.currentTarget.value as typeof filter.value)}
          >
            <option value="all">everything</option>
            <option value="bad">what went wrong</option>
            <option value="console">what was done here</option>
          </select>
        </label>
      }
    >
      {list.length === 0 ? <p class="empty">Nothing has happened yet.</p> : null}
      <ol class="timeline">
        {list.map((event) => (
          <li key={event.id} class={event.level}>
            <time dateTime={event.at}>{new Date(event.at).toLocaleTimeString()}</time>
            <span aria-hidden="true">
              {shapes[event.level === "good" ? "good" : event.level === "bad" ? "bad" : "off"]}
            </span>
            <strong>{event.node}</strong>
            <span>{event.type.replaceAll("_", " ")}</span>
            <span class="what">{event.text}</span>
            <code>{event.reason}</code>
          </li>
        ))}
      </ol>
    </Card>
  );
}
