import { writeFileSync } from "node:fs";
import { metricTable } from "#shared/observe/metric-table.ts";

/** docs/metrics.md, made from the metric table.
 * Run: node_modules/.bin/node infra/docs/metrics.ts */
export function metricsDocument(): string {
  const rows = Object.entries(metricTable).map(([name, { type, help, labels }]) => {
    const labelList = labels.map((label) => `\`${label}\``).join(", ") || "none";
    return [`\`${name}\``, type, labelList, help];
  });
  return `${head}${table([["name", "type", "labels", "meaning"], ...rows])}`;
}

/** A Markdown table as the formatter wants it: columns padded to their widest cell. The first row is the head. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |\n`;
  const rule = widths.map((width) => "-".repeat(width));
  return [rows[0] ?? [], rule, ...rows.slice(1)].map(line).join("");
}

const head = `<!-- Made by infra/docs/metrics.ts from shared/observe/metric-table.ts. Don't edit it: run
node_modules/.bin/node infra/docs/metrics.ts -->

# Metrics

\`GET /metrics\` of the admin API, in the text format of Prometheus. Every series also has the labels \`service\` and
\`node\`; a metric appears once a service has touched it. The default metrics of Node (\`process_*\`, \`nodejs_*\`) come
with them. Times are seconds, sizes bytes.

`;

if (import.meta.main) writeFileSync(new URL("../../docs/metrics.md", import.meta.url), metricsDocument());
