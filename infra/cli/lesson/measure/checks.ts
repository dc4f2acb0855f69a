import { lineChart } from "../chart.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { play } from "../traffic.ts";
import type { Ended } from "../traffic.ts";
import { number } from "./measure.ts";
import type { Measurement } from "./measure.ts";

const speedDefault = 20;
const servers = 4;
/** In the seconds of the story, which `--speed` divides. */
const story = { crash: 15, heal: 75, end: 135, step: 10, interval: 10, timeout: 2, everySeconds: 0.5 };

/** Four servers, of which one crashes and comes back, once without checks and once with them. A failed try is not repeated,
 * so that what a check is worth can be seen. */
export const checks: Measurement = {
  summary: "one of four servers crashes and comes back: failures without checks and with them, over time",
  cases: [],
  async run({ speed = speedDefault }) {
    const addresses = await fleetAddresses();
    const { host } = addresses;
    const router = `${host}:8080`;
    const scaled = (seconds: number) => `${Math.round((seconds * 1_000) / speed)}ms`;
    const set = (name: string, port: number) =>
      Array.from({ length: servers }, (_, i) => ({
        name: `${name}-${i + 1}`,
        service: "web",
        address: `${host}:${port + i}`,
      }));
    const [unchecked, checked] = [set("unchecked", 9_001), set("checked", 9_011)];
    const pool = (of: typeof checked) => ({
      endpoints: of.map(({ address }) => ({ address })),
      retries: { attempts: 1 },
    });
    const health = { type: "http", interval: scaled(story.interval), timeout: scaled(story.timeout), fall: 3, rise: 3 };
    await using fleet = await startFleet(addresses, [
      { name: "origin", service: "origin", config: { servers: [...unchecked, ...checked] } },
      {
        name: "router",
        service: "l7-router",
        config: {
          listeners: [{ address: router }],
          routes: [
            { match: { path: "/unchecked" }, pool: "unchecked" },
            { match: {}, pool: "checked" },
          ],
          pools: { unchecked: pool(unchecked), checked: { ...pool(checked), health } },
        },
      },
    ]);
    const atMs = (seconds: number) => (seconds * 1_000) / speed;
    const drill = (seconds: number, what: string) =>
      new Promise((resolve) => setTimeout(resolve, atMs(seconds))).then(() =>
        Promise.all(["unchecked", "checked"].map((name) => fleet.post("origin", `/servers/${name}-4/${what}`))),
      );
    const sent = (path: string) => {
      const plan = Array.from({ length: story.end / story.everySeconds }, (_, i) => {
        return { atMs: atMs(i * story.everySeconds), client: 0, to: router, path };
      });
      return play(plan, addresses.client);
    };
    const [without, withChecks] = await Promise.all([
      sent("/unchecked"),
      sent("/checked"),
      drill(story.crash, "stop"),
      drill(story.heal, "heal"),
    ]);
    const secondsOf = ({ atMs: at }: Ended) => (at / 1_000) * speed;
    const out = Math.max(0, ...withChecks.filter(failed).map(secondsOf)) - story.crash;
    const back = withChecks.find((one) => one.server === "checked-4" && secondsOf(one) > story.heal);
    const steps = Array.from({ length: Math.ceil(story.end / story.step) }, (_, i) => i * story.step);
    const within = (all: readonly Ended[], from: number) =>
      all.filter((one) => secondsOf(one) >= from && secondsOf(one) < from + story.step);
    const down = { from: story.crash + 1, to: story.heal - 1 };
    const whileDown = without.filter((one) => secondsOf(one) > down.from && secondsOf(one) < down.to);
    return {
      notes: [
        `a server crashes at ${story.crash} s and is back at ${story.heal} s; a check every ${story.interval} s, fall 3, rise 3; ${speed} times faster than life`,
        `without checks, while it is down: ${percent(whileDown, failed)} of requests fail`,
        `with checks: the last failure ${out.toFixed(0)} s after the crash`,
        `with checks: its first answer ${back ? (secondsOf(back) - story.heal).toFixed(0) : "never"} s after it is back`,
      ],
      columns: [number("from s"), number("without: failed"), number("with: failed"), number("with: by the fourth")],
      rows: steps.map((from) => [
        String(from),
        percent(within(without, from), failed),
        percent(within(withChecks, from), failed),
        percent(within(withChecks, from), ({ server }) => server === "checked-4"),
      ]),
      picture: lineChart({
        title: "Failed requests in percent: a crash at 15 s, back at 75 s",
        xTitle: "seconds",
        yTitle: "% failed",
        series: [["without checks", without] as const, ["with checks (10 s × 3)", withChecks] as const].map(
          ([name, all]) => ({
            name,
            points: steps.map((from) => [from, share(within(all, from), failed)] as const),
          }),
        ),
      }),
    };
  },
};

const failed = ({ status }: Ended) => status !== 200;
const share = (all: readonly Ended[], which: (one: Ended) => boolean) =>
  all.length === 0 ? 0 : (100 * all.filter(which).length) / all.length;
const percent = (all: readonly Ended[], which: (one: Ended) => boolean) => `${Math.round(share(all, which))} %`;
