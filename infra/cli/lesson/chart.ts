export interface Series {
  readonly name: string;
  /** x and y of each point, x growing. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Chart {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly series: readonly Series[];
}

export interface Bar {
  readonly name: string;
  readonly value: number;
}

const width = 640;
const left = 56;
const right = 16;
const top = 44;
const bottom = 44;
const height = 260;
const pointsMax = 200; // of a series, so that a picture stays small
/** Told apart by dashes as well as by colour. */
const dashes = ["", "6 3", "2 3"];
/** Readable on white and on black. */
const style = `<style>text{font:13px system-ui,sans-serif;fill:#555}.t{font-weight:600}.g{stroke:#8886;stroke-width:1}
.s0{stroke:#0a7d5a}.s1{stroke:#c2571a}.s2{stroke:#6a5acd}.f0{fill:#0a7d5a}.l{fill:none;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#bbb}.s0{stroke:#35c495}.s1{stroke:#f2955c}.s2{stroke:#a99bff}.f0{fill:#35c495}}</style>`;

/** Lines over a common x. */
export function lineChart({ title, xTitle, yTitle, series }: Chart): string {
  const all = series.flatMap(({ points }) => points);
  const xMax = Math.max(1, ...all.map(([x]) => x));
  const yMax = niceMax(Math.max(1, ...all.map(([, y]) => y)));
  const xOf = (x: number) => Math.round((left + (x / xMax) * (width - left - right)) * 10) / 10;
  const yOf = (y: number) => Math.round((height - bottom - (y / yMax) * (height - top - bottom)) * 10) / 10;
  const grid = [0, 0.5, 1].map(
    (part) =>
      `<line class="g" x1="${left}" x2="${width - right}" y1="${yOf(part * yMax)}" y2="${yOf(part * yMax)}"/>` +
      `<text x="${left - 6}" y="${yOf(part * yMax) + 4}" text-anchor="end">${part * yMax}</text>`,
  );
  const lines = series.map(({ points }, i) => {
    const drawn = thin(points).map(([x, y]) => `${xOf(x)},${yOf(y)}`);
    return `<polyline class="l s${i}" stroke-dasharray="${dashes[i] ?? ""}" points="${drawn.join(" ")}"/>`;
  });
  const legend = series.map(({ name }, i) => {
    const x = left + i * 200;
    return `<line class="l s${i}" stroke-dasharray="${dashes[i] ?? ""}" x1="${x}" x2="${x + 24}" y1="32" y2="32"/><text x="${x + 30}" y="36">${escape(name)}</text>`;
  });
  const axis = `<text x="${width - right}" y="${height - 8}" text-anchor="end">${escape(xTitle)}, up to ${Math.round(xMax)}</text>`;
  const unit = `<text x="${left}" y="${height - 8}">${escape(yTitle)}</text>`;
  return svg(height, title, [...grid, ...lines, ...legend, axis, unit]);
}

/** One bar a row, with its value. */
export function barChart(title: string, unit: string, bars: readonly Bar[]): string {
  const rowHeight = 26;
  const nameWidth = 190;
  const most = Math.max(1, ...bars.map(({ value }) => value));
  const rows = bars.map(({ name, value }, i) => {
    const y = 36 + i * rowHeight;
    const length = Math.round((value / most) * (width - nameWidth - 110));
    return (
      `<text x="${nameWidth - 8}" y="${y + 14}" text-anchor="end">${escape(name)}</text>` +
      `<rect class="f0" x="${nameWidth}" y="${y}" width="${length}" height="18" rx="2"/>` +
      `<text x="${nameWidth + length + 6}" y="${y + 14}">${Math.round(value)} ${escape(unit)}</text>`
    );
  });
  return svg(44 + bars.length * rowHeight, title, rows);
}

function svg(tall: number, title: string, parts: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${tall}" role="img" aria-label="${escape(title)}">`;
  return `${head}\n${style}\n<text class="t" x="${left}" y="18">${escape(title)}</text>\n${parts.join("\n")}\n</svg>\n`;
}

/** At most so many points: of each stretch its highest, so that no peak is lost. */
function thin(points: Series["points"]): Series["points"] {
  const stretch = Math.ceil(points.length / pointsMax);
  if (stretch <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / stretch) }, (_, i) => {
    const part = points.slice(i * stretch, (i + 1) * stretch);
    return part.reduce((highest, point) => (point[1] > highest[1] ? point : highest));
  });
}

/** The next of 1, 2, 3, 5, 10, 20, 30, 50 … */
function niceMax(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 3, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
