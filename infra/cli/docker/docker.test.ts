import { describe, expect, it } from "vitest";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { defaultTopology } from "../stack/choose.ts";
import * as argv from "./argv.ts";
import { parseContainers } from "./containers.ts";
import type { Container } from "./containers.ts";
import { missingNetworks } from "./power.ts";
import { chooseClient } from "./trace.ts";
import { engineProblem, firstFailed } from "./up.ts";

const nodes = nodesOf(loadConfig(defaultTopology, topologySchema), "containers");

function container(more: Partial<Container>): Container {
  const rest = { exitCode: 0, health: "healthy", node: null, service: "", project: "main", networks: [] };
  return { id: "c1", name: "main_x_1", state: "running", ...rest, ...more };
}

const everyProfile = "--profile countries --profile chaos --profile observability --profile postgres";

describe("a command line of docker", () => {
  it.each([
    [
      argv.listContainers("/home/w"),
      "ps --all --quiet --no-trunc --filter label=com.docker.compose.project.working_dir=/home/w",
    ],
    [argv.inspectContainers(["c1", "c2"]), "container inspect c1 c2"],
    [argv.killContainer("c1"), "kill c1"],
    [argv.stopContainer("c1"), "stop --time 30 c1"],
    [argv.restartContainer("c1"), "restart --time 2 c1"],
    [argv.pauseContainer("c1"), "pause c1"],
    [argv.unpauseContainer("c1"), "unpause c1"],
    [argv.startContainer("c1"), "start c1"],
    [argv.disconnectNetwork("region-eu-west", "c1"), "network disconnect watershed-region-eu-west c1"],
    [argv.connectNetwork("internet", "c1", "10.11.0.1"), "network connect --ip 10.11.0.1 watershed-internet c1"],
    [argv.readTokenIn("c1"), "exec c1 cat /run/watershed/token"],
    [argv.logsOf("c1", 15), "logs --tail 15 c1"],
    [argv.watershedIn("c1", ["trace", "/"], false), "exec c1 node infra/cli/main.ts trace /"],
    [argv.watershedIn("c1", ["trace", "/"], true), "exec --tty c1 node infra/cli/main.ts trace /"],
    [argv.composeUp, "up --detach --no-build"],
    [argv.composeDown(undefined), `${everyProfile} down --volumes --remove-orphans --timeout 5`],
    [argv.composeDown("main"), `--project-name main ${everyProfile} down --volumes --remove-orphans --timeout 5`],
  ])("%#: %s", (words, line) => {
    expect(words.join(" ")).toBe(line);
  });
});

describe("containers", () => {
  it("are read as the engine describes them", () => {
    const described = {
      Id: "c1",
      Name: "/main_eu-west-l7-1_1",
      State: { Status: "running", ExitCode: 0, Health: { Status: "healthy", Log: [] } },
      Config: {
        Labels: {
          "watershed.node": "eu-west/l7-1",
          "com.docker.compose.service": "eu-west-l7-1",
          "com.docker.compose.project": "main",
        },
      },
      NetworkSettings: { Networks: { "watershed-control": {}, "watershed-internet": {} } },
    };
    const client = { ...described, Config: { Labels: null }, State: { Status: "exited", ExitCode: 137 } };
    expect(parseContainers(JSON.stringify([described, client]))).toEqual([
      container({
        name: "main_eu-west-l7-1_1",
        node: "eu-west/l7-1",
        service: "eu-west-l7-1",
        networks: ["control", "internet"],
      }),
      container({
        name: "main_eu-west-l7-1_1",
        state: "exited",
        exitCode: 137,
        health: null,
        project: "",
        networks: ["control", "internet"],
      }),
    ]);
  });

  it("come back to the networks that they are missing in, at their addresses", () => {
    const attachments = new Map([
      ["internet", "10.11.0.1"],
      ["region-eu-west", "10.139.0.1"],
      ["control", "10.203.0.1"],
    ]);
    expect(missingNetworks(attachments, ["control"])).toEqual([
      ["internet", "10.11.0.1"],
      ["region-eu-west", "10.139.0.1"],
    ]);
    expect(missingNetworks(attachments, ["control", "internet", "region-eu-west"])).toEqual([]);
  });

  it("of a country send its traces, or else any that runs", () => {
    const de = container({ service: "client-de" });
    const us = container({ service: "client-us" });
    const stopped = container({ service: "client-jp", state: "exited" });
    expect(chooseClient([container({ service: "ns1" }), de, us, stopped], "US")).toBe(us);
    expect(chooseClient([de, us, stopped], "JP")).toBe(de);
    expect(chooseClient([de], null)).toBe(de);
    expect(chooseClient([stopped], "JP")).toBeUndefined();
  });
});

describe("a start that fails", () => {
  it("blames the first that ended or is unhealthy, not those that wait for it", () => {
    const origin = container({ node: "eu-west-a/origin" });
    const waiting = container({ node: "eu-west/l7-1", state: "created", health: "starting" });
    const ended = container({ node: "eu-west-a/l4-1", state: "exited", exitCode: 2, health: null });
    const sick = container({ node: "eu-west-a/l4-2", health: "unhealthy" });
    expect(firstFailed(nodes, [waiting, sick, ended, origin])).toBe(ended);
    expect(firstFailed(nodes, [waiting, sick, origin])).toBe(sick);
    expect(firstFailed(nodes, [waiting, origin])).toBeUndefined();
  });

  it.each([
    {
      said: "Creating main_ns1_1\nERROR: for ns1  Bind for 127.0.0.1:5300 failed: port is already allocated\nmore",
      line: "for ns1  Bind for 127.0.0.1:5300 failed: port is already allocated",
    },
    {
      said: "Pool overlaps with other one on this address space",
      line: "Pool overlaps with other one on this address space",
    },
    { said: "no such image", line: undefined },
  ])("tells $line", ({ said, line }) => {
    expect(engineProblem(said)).toBe(line);
  });
});
