import { useEffect, useRef } from "preact/hooks";
import { Drills } from "./drills.tsx";
import { Events } from "./events.tsx";
import { Figure } from "./parts.tsx";
import { OneRequest } from "./request.tsx";
import { route, views } from "./route.ts";
import type { ViewName } from "./route.ts";
import { command, link, lookAt, notice, past, samples, snapshot, unlock } from "./store.ts";
import { Tiers } from "./tiers.tsx";
import { agoText, rateText, shareText, timeText } from "./words.ts";
import { World } from "./world.tsx";

const icon = new URL("icon.svg", import.meta.url).href;

const titles: Readonly<Record<ViewName, string>> = {
  world: "World",
  tiers: "Tiers",
  request: "One request",
  drills: "Drills",
  events: "Events",
};

const pages: Readonly<Record<ViewName, () => preact.JSX.Element>> = {
  world: World,
  tiers: Tiers,
  request: OneRequest,
  drills: Drills,
  events: Events,
};

/** What stands on every page: where one is, how the stack is, and the way back to all well. */
export function Shell() {
  const { view } = route.value;
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${titles[view]} · Watershed`;
    if (!first.current) heading.current?.focus(); // Who goes by keyboard or ear goes on there.
    first.current = false;
  }, [view]);
  if (link.value === "locked") return <Lock />;
  const Page = pages[view];
  return (
    <>
      <a class="skip" href="#content" onClick={(event) => skip(event, heading.current)}>
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href="#world">
          <img src={icon} alt="" width="24" height="24" />
          Watershed
        </a>
        <nav aria-label="Views">
          {views.map((name) => (
            <a key={name} href={`#${name}`} aria-current={name === view ? "page" : undefined}>
              {titles[name]}
            </a>
          ))}
        </nav>
        <Health />
      </header>
      <Scrubbing />
      <main id="content">
        <h1 ref={heading} tabIndex={-1}>
          {titles[view]}
        </h1>
        {snapshot.value ? <Page /> : <p class="empty waiting">Waiting for the first word of the stack…</p>}
      </main>
      <Notice />
    </>
  );
}

function skip(event: Event, to: HTMLElement | null): void {
  event.preventDefault();
  to?.focus();
}

/** The whole stack in one line. */
function Health() {
  const shown = snapshot.value;
  const nodes = shown?.nodes ?? [];
  const well = nodes.filter(({ state }) => state === "ready").length;
  const sample = shown?.sample;
  const words = { connecting: "connecting", live: "live", lost: "connection lost, trying again", locked: "" };
  return (
    <div class="health">
      <span class={`link ${link.value}`} role="status">
        {words[link.value]}
      </span>
      {sample ? (
        <>
          <Figure label="nodes ready" value={`${well}/${nodes.length}`} bad={well < nodes.length} />
          <Figure label="requests/s" value={rateText(sample.httpRate)} />
          <Figure label="errors" value={shareText(sample.errorShare)} bad={(sample.errorShare ?? 0) > 0} />
          <Figure label="p99" value={timeText(sample.p99Ms)} />
        </>
      ) : null}
      <button type="button" onClick={() => void command("heal-all", {}, "Everything is healed")}>
        Heal all
      </button>
    </div>
  );
}

/** Says that the past is shown, and leads back. */
function Scrubbing() {
  const then = past.value?.sample.atMs;
  const newest = samples.value.at(-1)?.atMs;
  if (then === undefined) return null;
  return (
    <div class="scrubbing" role="status">
      This is how it was {newest === undefined ? "" : `${agoText(newest - then)} ago`}, at{" "}
      {new Date(then).toLocaleTimeString()}.{" "}
      <button type="button" onClick={() => void lookAt(null)}>
        Back to now
      </button>
    </div>
  );
}

const noticeMs = 8_000;

function Notice() {
  const shown = notice.value;
  useEffect(() => {
    if (!shown || shown.bad) return;
    const timer = setTimeout(() => (notice.value = null), noticeMs);
    return () => clearTimeout(timer);
  }, [shown]);
  return (
    <div class="notices" aria-live="polite">
      {shown ? (
        <p class={shown.bad ? "notice bad" : "notice"}>
          {shown.text}
          <button type="button" aria-label="Close" onClick={() => (notice.value = null)}>
            ✕
          </button>
        </p>
      ) : null}
    </div>
  );
}

function Lock() {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement).get("token");
    unlock(typeof given === "string" ? given : "");
  };
  return (
    <main class="lock">
      <h1>Watershed</h1>
      <p>This stack has a token (WATERSHED_ADMIN_TOKEN). It is kept until this tab is closed.</p>
      <form onSubmit={submit}>
        <label>
          Token <input name="token" type="password" autocomplete="off" required />
        </label>
        <button type="submit">Open</button>
      </form>
    </main>
  );
}
