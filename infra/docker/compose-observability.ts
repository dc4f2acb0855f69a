import type { Topology } from "#shared/config/schema/topology.ts";
import { containerOctets } from "#shared/topology/plan.ts";
import { nodesOf } from "#shared/topology/topology.ts";

/** Whom Prometheus asks. */
export function prometheusTargets(topology: Topology): string {
  const groups = nodesOf(topology, "containers").map(({ name, service, region, zone, admin }) => {
    const place = region === null ? "" : `, region: ${region}, zone: ${zone}`;
    return `- targets: ["${admin}"]\n  labels: { node: ${name}, service: ${service}${place} }\n`;
  });
  return `# The nodes in containers. Written by \`npm run compose\`.\n${groups.join("")}`;
}

/** Prometheus and Grafana, by images of their makers. Prometheus is the user that can read the token. */
export function observabilityServices({ containers }: Topology): string {
  const address = (host: number) => `${containers.firstOctet}.${containerOctets.control}.1.${host}`;
  return `  prometheus:
    <<: *confined
    profiles: [observability]
    image: prom/prometheus:v3.5.0
    pull_policy: if_not_present
    user: "10001:10001"
    command:
      - --config.file=/etc/prometheus/prometheus.yml
      - --storage.tsdb.path=/prometheus
      - --storage.tsdb.retention.time=1d
    tmpfs: ["/prometheus:uid=10001,gid=10001"]
    ports: ["127.0.0.1:9090:9090/tcp"]
    volumes:
      - ./infra/prometheus:/etc/prometheus:ro
      - token:/run/watershed:ro
    networks:
      control: { ipv4_address: ${address(1)} }
    depends_on:
      token: *completed

  grafana:
    <<: *confined
    profiles: [observability]
    image: grafana/grafana:12.1.0
    pull_policy: if_not_present
    environment:
      GF_AUTH_ANONYMOUS_ENABLED: "true"
      GF_ANALYTICS_REPORTING_ENABLED: "false"
      GF_ANALYTICS_CHECK_FOR_UPDATES: "false"
    tmpfs: [/tmp, "/var/lib/grafana:uid=472,gid=0"]
    ports: ["127.0.0.1:3000:3000/tcp"]
    volumes:
      - ./infra/grafana/provisioning:/etc/grafana/provisioning:ro
      - ./infra/grafana/dashboards:/etc/grafana/dashboards:ro
    networks:
      control: { ipv4_address: ${address(2)} }
    depends_on: [prometheus]
`;
}
