import { renderTable } from "#cli/table.ts";

export interface BenchOptions {
  /** Of load for each measurement. */
  readonly seconds: number;
  /** Names of the servers that are to be measured; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Whether a server, ours or a peer, is to be measured. */
  readonly isWanted: (server: string) => boolean;
  readonly say: (text: string) => void;
}

/** A measurement of several servers under one load. */
export interface BenchTable {
  readonly title: string;
  readonly text: string;
  readonly rows: readonly BenchRow[];
}

export interface BenchRow {
  readonly server: string;
  /** By the title of the column. */
  readonly figures: Readonly<Record<string, number>>;
}

export type Subject = (options: BenchOptions) => Promise<readonly BenchTable[]>;

/** Rows as measured, and ours as a ratio of each.
 * @param ours name of our server
 * @param key the figure that is compared: larger is better */
export function tableOf(title: string, rows: readonly BenchRow[], ours: string, key: string): BenchTable {
  const keys = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const own = rows.find(({ server }) => server === ours)?.figures[key];
  const columns = [
    { title: "server" },
    ...keys.map((title) => ({ title, align: "right" as const })),
    { title: `${ours} ÷ it`, align: "right" as const },
  ];
  const cells = rows.map(({ server, figures }) => {
    const figure = figures[key];
    const ratio = own !== undefined && figure !== undefined && figure > 0 ? (own / figure).toFixed(2) : "";
    return [server, ...keys.map((name) => shown(figures[name])), ratio];
  });
  return { title, rows, text: renderTable(columns, cells) };
}

function shown(value: number | undefined): string {
  if (value === undefined) return "";
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(3)));
}
