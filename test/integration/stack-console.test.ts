import { mkdirSync, readFileSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { hasClient } from "#test/support/real-clients.ts";
import { startRelay } from "#test/support/relay.ts";
import { startStack } from "#test/support/stack.ts";
import type { TestStack } from "#test/support/stack.ts";

const isThere = hasClient("chromium");
const axe = readFileSync(path.resolve(import.meta.dirname, "../../node_modules/axe-core/axe.min.js"), "utf8");
/** Kept after the test, to be looked at. */
const pictures = path.resolve(import.meta.dirname, "../../coverage/console");
const views = ["world", "tiers", "request", "drills", "events"] as const;
const sizes = { desktop: { width: 1_440, height: 900 }, phone: { width: 390, height: 844 } } as const;
const looks = [
  ["desktop", "light"],
  ["phone", "light"],
  ["desktop", "dark"],
] as const;
/** fall 3 at interval 1 s and timeout 0.5 s, and what two processes and a page take to tell it. */
const seenWithinMs = 8_000;
const poll = { timeout: seenWithinMs, interval: 100 };

describe.skipIf(!isThere)("the web console", () => {
  let stack: TestStack;
  let url: string;
  let browser: Browser;
  let page: Page;
  let said: string[];

  beforeAll(async () => {
    stack = await startStack({ nameServers: 156, euWest: 121, usEast: 122 }, "--no-demo", "--console", "127.0.0.1:0");
    url = /web console: (\S+)/.exec(stack.output())?.[1] ?? "";
    browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
    mkdirSync(pictures, { recursive: true });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await stack?.[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    page = await browser.newPage({ viewport: sizes.desktop });
    said = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") said.push(message.text());
    });
    page.on("pageerror", (error) => said.push(error.message));
    await open("tiers");
  });
  afterEach(() => page.close());

  async function open(view: string): Promise<void> {
    await page.goto(`${url}#${view}`);
    await page.waitForSelector("main#content h1");
    await page.waitForSelector(".link.live");
    await page.waitForSelector("main .waiting", { state: "detached" });
  }

  const command = (name: string, input: unknown) =>
    page.evaluate(
      async ([what, body]) => {
        const { token } = (await (await fetch("./api/session")).json()) as { token: string };
        const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
        const reply = await fetch(`./api/commands/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
        return { status: reply.status, answer: await reply.json() };
      },
      [name, input] as const,
    );
  const healAll = async () => expect(await command("heal-all", {})).toMatchObject({ status: 200 });
  const stateOf = (server: string) => page.getAttribute(`[data-server="${server}"]`, "data-state");
  const classOf = async (selector: string) => (await page.getAttribute(selector, "class")) ?? "";
  const nodesReady = () => page.textContent(".figure .value");

  it("is small, and asks nobody else for anything", async () => {
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    for (const view of views) await open(view);
    await page.waitForSelector(".chart canvas");
    expect(asked.filter((one) => !one.startsWith(url) && !one.startsWith("data:"))).toEqual([]);
    expect(said).toEqual([]);
    const built = path.join(String(stack.env["WATERSHED_STATE_DIR"]), "console");
    const files = readdirSync(built, { recursive: true, encoding: "utf8" }).map((file) => path.join(built, file));
    const bytes = files.filter((file) => statSync(file).isFile()).map((file) => gzipSync(readFileSync(file)).length);
    expect(bytes.length).toBeGreaterThan(3);
    expect(bytes.reduce((sum, one) => sum + one, 0)).toBeLessThan(120_000);
  });

  it("shows live data: nodes, and the rates of what is sent", async () => {
    await expect.poll(nodesReady, poll).toBe("18/18");
    await open("drills");
    await page.click('[data-traffic="The world"]');
    await expect
      .poll(async () => Number(await page.textContent(".figure:nth-of-type(2) .value")), poll)
      .toBeGreaterThan(20);
    await open("world");
    await page.waitForSelector('[data-arc="DE eu-west"]', { state: "attached" });
    await page.waitForSelector('[data-arc="US us-east"]', { state: "attached" });
    expect(said).toEqual([]);
  });

  it("sends from a country that is clicked, and says why it goes where it goes", async () => {
    await open("world");
    await page.focus('[data-country="BR"]');
    await page.keyboard.press("Enter");
    await page.waitForSelector(".steps li:nth-child(3)");
    expect(await page.textContent(".steps")).toMatch(
      /place BR, rule country BR → us-east \(OK\).*pool api → us-east-[ab]\/l4-\d.*server api-\d/s,
    );
    await page.waitForSelector('[data-arc="BR us-east"]', { state: "attached" });
  });

  it("a killed server turns red within the bound, and green after it is healed", async () => {
    const server = "eu-west-a/api-1";
    await page.click(`[data-server="${server}"]`);
    await page.click('[data-drill="kill"]');
    await expect
      .poll(() => page.textContent(".split > .card:last-child tbody"), poll)
      .toMatch(/l4-1.*down.*l4-2.*down/s);
    expect(await classOf(`[data-server="${server}"]`)).toContain("bad");
    await page.click('[data-drill="heal"]:not([disabled])');
    await expect.poll(() => classOf(`[data-server="${server}"]`), poll).toContain("good");
    expect(said).toEqual([]);
  });

  describe("every drill is done, seen, and taken back by heal all", () => {
    afterEach(healAll);

    it.each([
      { verb: "kill", becomes: "stopped" },
      { verb: "stop", becomes: "stopped" },
      { verb: "pause", becomes: "hung" },
      { verb: "drain", becomes: "draining" },
      { verb: "slow", becomes: "slow" },
    ])("$verb of a server: $becomes", async ({ verb, becomes }) => {
      const server = "us-east-b/web-2";
      await page.click(`[data-server="${server}"]`);
      await page.click(`[data-drill="${verb}"]`);
      await expect.poll(() => stateOf(server), poll).toBe(becomes);
      await page.click("text=Heal all");
      await expect.poll(() => stateOf(server), { ...poll, timeout: 20_000 }).toBe("running");
    });

    it.each([
      { verb: "kill", node: "eu-west-a/l4-1", becomes: "unreachable" },
      { verb: "pause", node: "us-east/l7-1", becomes: "unreachable" },
      { verb: "stop", node: "ns2", becomes: "unreachable" },
    ])("$verb of $node: $becomes", async ({ verb, node, becomes }) => {
      await page.click(`[data-node="${node}"]`);
      await page.click(`[data-drill="${verb}"]`);
      await expect
        .poll(() => page.getAttribute(`[data-node="${node}"]`, "title"), { ...poll, timeout: 20_000 })
        .toContain(becomes);
      await page.click("text=Heal all");
      await expect.poll(nodesReady, { ...poll, timeout: 20_000 }).toBe("18/18");
    });

    it("drain of a router, and cut of a zone", async () => {
      await page.click('[data-node="ns1"]');
      expect(await command("drill", { verb: "drain", target: { kind: "router", name: "eu-west/l7-1" } })).toMatchObject(
        { status: 200 },
      );
      await expect.poll(() => page.textContent(".pool tbody tr:first-child"), poll).toMatch(/draining|disabled/);
      await page.click('[data-node="us-east/l7-1"]');
      expect(await command("drill", { verb: "cut", target: { kind: "zone", name: "us-east-a" } })).toMatchObject({
        status: 200,
      });
      await expect
        .poll(() => page.textContent(".pool tbody tr:first-child"), { ...poll, timeout: 20_000 })
        .toContain("down");
    });

    it("a region that is drained by hand", async () => {
      await open("drills");
      await page.click('[data-region="eu-west drain"]');
      await open("tiers");
      await page.waitForSelector('.region.off[aria-label="region eu-west"]');
      await page.click("text=Heal all");
      await page.waitForSelector('.region:not(.off)[aria-label="region eu-west"]');
    });
  });

  it("switched algorithms and weights change the shares, and heal all brings them back", async () => {
    const forwarder = "eu-west-a/l4-1";
    expect(await command("traffic", { rates: { DE: 60 }, mix: ["GET /api/users"], seed: 7 })).toMatchObject({
      status: 200,
    });
    await open("drills");
    await page.selectOption('[data-balance="l4 api"]', "weighted");
    await expect.poll(() => page.inputValue('[data-balance="l4 api"]'), poll).toBe("weighted");
    await open("tiers");
    await page.click(`[data-node="${forwarder}"]`);
    const pool = 'section[aria-label="pool api"]';
    await page.fill(`${pool} input[aria-label="weight of api-1"]`, "50");
    await page.keyboard.press("Tab");
    const share = async () =>
      Number.parseInt((await page.textContent(`${pool} tbody tr:first-child td:nth-child(5)`)) ?? "", 10);
    // Routers open their connections anew every 10 s.
    await expect.poll(share, { timeout: 30_000, interval: 200 }).toBeGreaterThan(80);
    await page.click("text=Heal all");
    await expect.poll(() => page.inputValue(`${pool} select`), poll).toBe("round-robin");
    await expect.poll(() => page.inputValue(`${pool} input[aria-label="weight of api-1"]`), poll).toBe("1");
    expect(await command("traffic", { rates: {} })).toMatchObject({ status: 200 });
  });

  it("follows one request through every tier, by a link that can be shared", async () => {
    await open("request?from=US&url=/api/catalog&send=1");
    await page.waitForSelector(".way li:nth-child(5)");
    const way = await page.textContent(".way");
    for (const part of [
      /Name server.*ns\d/s,
      /rule continent NA: region us-east/,
      /pool api/,
      /Forwarder.*us-east-[ab]\/l4-\d/s,
      /Status 200/,
    ])
      expect(way).toMatch(part);
    await page.fill('input[name="url"]', "/nothing\u0000");
    await page.click("text=Send it");
    await page.waitForSelector(".notice.bad");
  });

  it("tells what happened on one time line, and goes back in time", async () => {
    const server = "eu-west-b/static-1";
    expect(await command("drill", { verb: "kill", target: { kind: "server", name: server } })).toMatchObject({
      status: 200,
    });
    await expect.poll(() => stateOf(server), poll).toBe("stopped");
    await open("events");
    await page.waitForSelector(
      ".timeline li.bad:has-text('endpoint down'):has-text('static-1'):has-text('eu-west-b/l4-')",
    );
    await page.waitForSelector(".timeline li:has-text('kill server eu-west-b/static-1')");
    await healAll();
    await page.waitForSelector(".timeline li.good:has-text('endpoint up'):has-text('static-1')");
    await page.click("text=Pause");
    await page.waitForSelector(".scrubbing");
    const slider = page.locator('input[aria-label="Moment that is shown"]');
    await slider.focus();
    for (let i = 0; i < 4; i++) await slider.press("ArrowLeft");
    await expect.poll(() => page.textContent(".scrubbing"), poll).toMatch(/\d s ago/);
    await page.click("text=Back to now");
    await page.waitForSelector(".scrubbing", { state: "detached" });
  });

  it("reconnects by itself where the stream broke, and a second page sees the same", async () => {
    await using between = await startRelay(url);
    const second = await browser.newPage();
    await second.goto(`${between.url}#tiers`);
    await second.waitForSelector(".link.live");
    between.cut();
    await second.waitForSelector(".link.lost");
    between.join();
    await second.waitForSelector(".link.live");
    await expect.poll(() => second.textContent(".figure .value"), poll).toBe("18/18");
    await expect.poll(nodesReady, poll).toBe("18/18");
    await second.close();
  });

  it.each(views)(
    "%s: nothing serious for axe, all within the page, at both widths, in light and in dark",
    async (view) => {
      for (const [size, colorScheme] of looks) {
        const viewport = sizes[size];
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await open(view);
        await page.screenshot({ path: path.join(pictures, `${view}-${size}-${colorScheme}.png`) });
        await page.evaluate(axe);
        const found = await page.evaluate(async () => {
          const run = (
            globalThis as unknown as {
              axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> };
            }
          ).axe;
          const { violations } = await run.run();
          return violations
            .filter(({ impact }) => impact === "serious" || impact === "critical")
            .map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
        });
        expect(found, `${size}, ${colorScheme}`).toEqual([]);
        expect(await page.evaluate("document.documentElement.scrollWidth"), size).toBeLessThanOrEqual(viewport.width);
      }
    },
  );
});
