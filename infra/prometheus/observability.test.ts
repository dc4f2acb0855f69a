import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { metricTable } from "#shared/observe/metric-table.ts";
import type { MetricName } from "#shared/observe/metric-table.ts";
import { nodesOf } from "#shared/topology/topology.ts";

const infra = path.resolve(import.meta.dirname, "..");
const read = (file: string) => readFileSync(path.join(infra, file), "utf8");

const ruleSchema = z.strictObject({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.strictObject({ severity: z.enum(["page", "warn"]) }).optional(),
  annotations: z.strictObject({ summary: z.string(), description: z.string().optional() }).optional(),
});
const rules = z
  .strictObject({ groups: z.array(z.strictObject({ name: z.string(), rules: z.array(ruleSchema) })) })
  .parse(parse(read("prometheus/rules.yml")))
  .groups.flatMap((group) => group.rules);

const panelSchema = z.looseObject({
  id: z.int(),
  title: z.string().min(1),
  gridPos: z.strictObject({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  datasource: z.strictObject({ type: z.literal("prometheus"), uid: z.string() }),
  targets: z.array(z.looseObject({ refId: z.string(), expr: z.string() })).min(1),
});
const dashboard = z
  .looseObject({ uid: z.string(), title: z.string(), panels: z.array(panelSchema) })
  .parse(JSON.parse(read("grafana/dashboards/watershed.json")));

const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
const expressions = [
  ...rules.map(({ record, alert, expr }) => ({ name: record ?? alert ?? "", expr })),
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ name: title, expr }))),
];

/** Labels that every series has: those of the process, and those that the list of targets adds. */
const labelsOfAll = ["node", "service", "region", "zone", "job", "instance", "le"];

/** The metrics of an expression, and its own name of a histogram's series. */
function metricsOf(expr: string): string[] {
  return [...expr.matchAll(/\bwatershed_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ""));
}

describe("every expression", () => {
  it.each(expressions)("$name asks for metrics and rules that there are", ({ expr }) => {
    const metrics = metricsOf(expr);
    const rulesUsed = [...expr.matchAll(/\bwatershed:[\w:]+/g)].map(([name]) => name);
    expect(metrics.length + rulesUsed.length > 0 || expr.startsWith("up") || expr.includes("(up{")).toBe(true);
    expect(metrics.filter((name) => !Object.hasOwn(metricTable, name))).toEqual([]);
    expect(rulesUsed.filter((name) => !recorded.has(name))).toEqual([]);
  });

  it.each(expressions.filter(({ expr }) => metricsOf(expr).length > 0))(
    "$name groups by labels that they have",
    ({ expr }) => {
      const known = metricsOf(expr).flatMap((name): readonly string[] => metricTable[name as MetricName].labels);
      const by = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/));
      const matched = [...expr.matchAll(/[{,](\w+)=/g)].map(([, label = ""]) => label);
      const unknown = [...by, ...matched].filter((label) => !labelsOfAll.includes(label) && !known.includes(label));
      expect(unknown).toEqual([]);
    },
  );
});

describe("alerts", () => {
  it.each(rules.filter(({ alert }) => alert !== undefined))("$alert says how bad it is, and what is wrong", (rule) => {
    expect(rule.labels?.severity).toBeDefined();
    expect(rule.annotations?.summary).toBeDefined();
  });
});

describe("the dashboard", () => {
  it("asks the data source that is provisioned, from a folder that is mounted", () => {
    const { datasources } = parse(read("grafana/provisioning/datasources/prometheus.yaml")) as {
      datasources: { uid: string; url: string }[];
    };
    const { providers } = parse(read("grafana/provisioning/dashboards/watershed.yaml")) as {
      providers: { options: { path: string } }[];
    };
    for (const { datasource } of dashboard.panels) expect(datasource.uid).toBe(datasources[0]?.uid);
    const compose = read("../docker-compose.yml");
    expect(compose).toContain(`./infra/grafana/dashboards:${providers[0]?.options.path}:ro`);
    expect(compose).toContain("./infra/grafana/provisioning:/etc/grafana/provisioning:ro");
    expect(datasources[0]?.url).toBe("http://prometheus:9090");
  });

  it("has panels that do not lie on each other", () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true); // columns of Grafana's grid
  });
});

describe("Prometheus", () => {
  const config = parse(read("prometheus/prometheus.yml")) as {
    rule_files: string[];
    scrape_configs: { authorization: { credentials_file: string }; file_sd_configs: { files: string[] }[] }[];
  };

  it("names files that are there", () => {
    const [scrape] = config.scrape_configs;
    const named = [...config.rule_files, ...(scrape?.file_sd_configs.flatMap(({ files }) => files) ?? [])];
    expect(readdirSync(path.join(infra, "prometheus"))).toEqual(expect.arrayContaining(named));
  });

  it("asks every node, with the token", () => {
    const targets = parse(read("prometheus/nodes.yml")) as { targets: string[]; labels: { node: string } }[];
    const topology = loadConfig(path.join(infra, "topology.yaml"), topologySchema);
    expect(targets.map(({ targets: [address], labels }) => [labels.node, address])).toEqual(
      nodesOf(topology, "containers").map(({ name, admin }) => [name, admin]),
    );
    expect(read("../docker-compose.yml")).toContain(config.scrape_configs[0]?.authorization.credentials_file);
  });
});
