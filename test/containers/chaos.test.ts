import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeInContainers } from "./describe.ts";
import { LoadRun, between, workers } from "./load-run.ts";
import type { Counts } from "./load-run.ts";
import { ContainerStack, clients } from "./stack.ts";
import type { Seen } from "./stack.ts";
import { Timeline } from "./timeline.ts";

// The numbers of infra/topology.yaml: interval 1 s, timeout 500 ms, fall 3, rise 2, DNS TTL 10 s.
const downMs = 3_500; // until a check sees it down, at the latest
const upMs = 2_500;
const ttlMs = 10_000;
const tickMs = 500; // of the load
/** Two cores carry twenty processes, a load and the test: a check may come this much later. */
const slackMs = 1_000;

/** Every node once. Those of one row are restarted together: none is the twin of another. A zone's forwarders and its
 * origin lie apart, as a port that closes twice in a minute may be held down. */
const restarts = [
  ["eu-west-a/l4-1", "us-east-a/l4-1", "eu-west-b/l4-1", "us-east-b/l4-1"],
  ["eu-west/l7-1", "us-east/l7-1"],
  ["eu-west-a/l4-2", "us-east-a/l4-2", "eu-west-b/l4-2", "us-east-b/l4-2"],
  ["eu-west/l7-2", "us-east/l7-2"],
  ["eu-west-a/origin", "us-east-a/origin"],
  ["ns1"],
  ["eu-west-b/origin", "us-east-b/origin"],
  ["ns2"],
];

/** Nodes and what the tier above them sees. */
interface Part {
  readonly names: readonly string[];
  readonly watchers: readonly string[];
  readonly isHit: (endpoint: Seen) => boolean;
}

describeInContainers("faults in containers", () => {
  let stack: ContainerStack;
  let loads: readonly LoadRun[] = [];

  beforeAll(async () => {
    stack = await ContainerStack.get();
    const names = stack.nodes.map(({ name }) => name);
    await stack.settled(names, names);
    loads = await Promise.all(clients.map((client) => LoadRun.start(client, stack.id(client), stack.site)));
  });
  afterAll(() => Promise.all(loads.map((load) => load[Symbol.asyncDispose]())));

  const reports = () => Promise.all(loads.map((load) => load.report()));

  /** Breaks something under load, waits until it is seen and heals it.
   * @returns what each client saw, and when the fault was seen */
  async function drill(
    title: string,
    { names, watchers, isHit }: Part,
    act: () => Promise<void>,
    heal: () => Promise<void>,
    heldTicks = 2,
  ): Promise<{ seen: Counts[]; noticedMs: number }> {
    using timeline = new Timeline(title, loads);
    const before = await reports();
    await Promise.all(loads.map((load) => load.ticks(1)));
    const startedMs = timeline.nowMs;
    await act();
    const brokenMs = timeline.nowMs;
    timeline.mark(`done (took ${Math.round(brokenMs - startedMs)} ms)`);
    const noticed = await timeline.seen(`seen by ${watchers.join(", ") || "nobody"}`, stack.lost(watchers, isHit));
    await Promise.all(loads.map((load) => load.ticks(heldTicks)));
    await heal();
    timeline.mark("healed");
    await timeline.seen(`back for ${watchers.join(", ") || "nobody"}`, stack.settled(names, watchers));
    await Promise.all(loads.map((load) => load.ticks(2)));
    const after = await reports();
    const seen = after.map((counts, i) => between(before[i]!, counts));
    for (const [i, counts] of seen.entries()) timeline.mark(`${clients[i]}  in all ${JSON.stringify(counts)}`);
    return { seen, noticedMs: noticed - brokenMs };
  }

  const routersOf = (region: string) => [`${region}/l7-1`, `${region}/l7-2`];
  const forwardersOf = (zone: string) => [`${zone}/l4-1`, `${zone}/l4-2`];
  const nameServers = ["ns1", "ns2"];
  const addressOf = (name: string) => `${stack.node(name).address}:80`;

  const noRetries = { failed: 0, unconnected: 0, unanswered: 0 };

  it("origin of a zone killed: its twin zone carries on, no request fails", async () => {
    const { seen, noticedMs } = await drill(
      "docker kill -s KILL eu-west-a/origin",
      {
        names: ["eu-west-a/origin", ...forwardersOf("eu-west-a")],
        watchers: [...forwardersOf("eu-west-a"), ...routersOf("eu-west")],
        isHit: ({ name, zone }) => zone === "eu-west-a" || (zone === null && /^\w+-\d$/.test(name)),
      },
      () => stack.kill("eu-west-a/origin"),
      () => stack.start("eu-west-a/origin"),
    );
    for (const counts of seen) expect(counts).toMatchObject(noRetries);
    expect(noticedMs).toBeLessThan(2 * downMs + slackMs); // through two tiers
  });

  it("a forwarder killed: its twin carries on, no request fails", async () => {
    const { seen, noticedMs } = await drill(
      "docker kill -s KILL us-east-a/l4-1",
      {
        names: ["us-east-a/l4-1"],
        watchers: routersOf("us-east"),
        isHit: ({ name }) => name === "us-east-a/l4-1",
      },
      () => stack.kill("us-east-a/l4-1"),
      () => stack.start("us-east-a/l4-1"),
    );
    for (const counts of seen) expect(counts).toMatchObject(noRetries);
    expect(noticedMs).toBeLessThan(downMs + slackMs);
  });

  it("a router killed: what was in its hands goes to its twin, nothing fails", async () => {
    const { seen, noticedMs } = await drill(
      "docker kill -s KILL us-east/l7-2",
      { names: ["us-east/l7-2"], watchers: nameServers, isHit: ({ address }) => address === addressOf("us-east/l7-2") },
      () => stack.kill("us-east/l7-2"),
      () => stack.start("us-east/l7-2"),
    );
    const [german, american] = seen;
    expect(german).toMatchObject(noRetries);
    expect(american).toMatchObject({ failed: 0, regions: { "us-east": expect.any(Number) } });
    expect(american!.unanswered, "in the hands of the router").toBeLessThanOrEqual(workers);
    expect(noticedMs).toBeLessThan(downMs + slackMs);
  });

  it("a name server killed: the other one answers", async () => {
    const { seen } = await drill(
      "docker kill -s KILL ns1",
      { names: ["ns1"], watchers: [], isHit: () => false },
      () => stack.kill("ns1"),
      () => stack.start("ns1"),
      ttlMs / tickMs + 2, // every worker asks anew
    );
    for (const counts of seen) expect(counts).toMatchObject(noRetries);
  });

  it("a router paused: DNS drops it, clients that hold its address time out and try its twin", async () => {
    const { seen, noticedMs } = await drill(
      "docker pause us-east/l7-1",
      { names: ["us-east/l7-1"], watchers: nameServers, isHit: ({ address }) => address === addressOf("us-east/l7-1") },
      () => stack.pause("us-east/l7-1"),
      () => stack.unpause("us-east/l7-1"),
      14, // longer than a client waits for an answer
    );
    const [german, american] = seen;
    expect(german).toMatchObject(noRetries);
    expect(american!.failed).toBe(0);
    // Each worker once, and once more where it asked DNS between the fault and its detection.
    expect(american!.unanswered).toBeLessThanOrEqual(2 * workers);
    expect(noticedMs).toBeLessThan(downMs + slackMs);
  });

  it("a zone cut off: its twin zone carries on, no request fails", async () => {
    const names = ["us-east-b/l4-1", "us-east-b/l4-2", "us-east-b/origin"];
    const { seen, noticedMs } = await drill(
      "network disconnect of zone us-east-b",
      { names, watchers: routersOf("us-east"), isHit: ({ zone }) => zone === "us-east-b" },
      () => stack.cut("region-us-east", ...names),
      () => stack.join("region-us-east", ...names),
    );
    for (const counts of seen) expect(counts).toMatchObject(noRetries);
    expect(noticedMs).toBeLessThan(downMs + slackMs);
  });

  it("a region's routers cut off: its clients are answered from the other region, and come home", async () => {
    using timeline = new Timeline("network disconnect of the routers of eu-west from the internet", loads);
    const [german, american] = loads as readonly [LoadRun, LoadRun];
    const before = await american.report();
    await stack.cut("internet", ...routersOf("eu-west"));
    const cutMs = timeline.nowMs;
    timeline.mark("cut");
    const isHit = ({ zone }: Seen) => zone === "eu-west";
    const noticedMs = await timeline.seen("seen by ns1, ns2", stack.lost(nameServers, isHit));
    expect(noticedMs - cutMs).toBeLessThan(downMs + slackMs);
    await onlyFrom(german, "us-east");
    timeline.mark("every worker of client-de is answered from us-east");
    const lastFailedMs = Math.max(0, ...timeline.failuresOf(german.client));
    expect(lastFailedMs - cutMs).toBeLessThan(downMs + 1_000 + ttlMs + slackMs);

    const moved = await german.report();
    await stack.join("internet", ...routersOf("eu-west"));
    const healedMs = timeline.nowMs;
    timeline.mark("healed");
    await timeline.seen("back for ns1, ns2", stack.settled(routersOf("eu-west"), nameServers));
    await onlyFrom(german, "eu-west");
    timeline.mark("every worker of client-de is at home");
    expect(timeline.nowMs - healedMs).toBeLessThan(upMs + 1_000 + ttlMs + 2 * slackMs);
    expect(between(moved, await german.report())).toMatchObject(noRetries);
    expect(between(before, await american.report())).toMatchObject(noRetries);
  });

  describe("a rolling restart", () => {
    it("comes past every node", () => {
      expect(restarts.flat().toSorted()).toEqual(stack.nodes.map(({ name }) => name).toSorted());
    });

    for (const row of restarts)
      it(`of ${row.join(", ")} fails no request`, async () => {
        using timeline = new Timeline(`docker stop, docker start: ${row.join(", ")}`, loads);
        const before = await Promise.all(loads.map((load) => load.report()));
        expect(await stack.stop(...row), "exit codes").toEqual(row.map(() => 0));
        timeline.mark("stopped");
        await stack.start(...row);
        timeline.mark("started");
        const watchers = stack.watchersOf(row);
        await timeline.seen(`back for ${watchers.join(", ") || "all"}`, stack.settled(row, watchers));
        const after = await Promise.all(loads.map((load) => load.report()));
        const seen = after.map((counts, i) => between(before[i]!, counts));
        for (const [i, counts] of seen.entries()) timeline.mark(`${clients[i]}  in all ${JSON.stringify(counts)}`);
        for (const counts of seen) expect(counts).toMatchObject({ failed: 0, unanswered: 0 });
      });
  });
});

const quietTicks = 4; // longer than any request of a worker: the last of them has moved

/** Resolves once a client has been answered by this region alone, without a failure, for a while. */
async function onlyFrom(load: LoadRun, region: string): Promise<void> {
  let last = await load.report();
  let quiet = 0;
  await load.until((counts) => {
    const { failed, regions } = between(last, counts);
    last = counts;
    quiet = failed === 0 && Object.keys(regions).join() === region ? quiet + 1 : 0;
    return quiet >= quietTicks;
  });
}
