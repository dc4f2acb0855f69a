import { computed, signal } from "@preact/signals";
import { SseReader } from "#shared/observe/sse-reader.ts";
import type { Sample, Session, Snapshot, TimelineEvent } from "../model.ts";

const samplesMax = 600;
const eventsMax = 2_000;
const retryMs = 1_000;
const snapshotCharsMax = 8 * 1_048_576; // hundreds of servers seen by dozens of nodes

export type Link = "connecting" | "live" | "lost" | "locked";

export const session = signal<Session | null>(null);
export const link = signal<Link>("connecting");
/** The newest. */
const latest = signal<Snapshot | null>(null);
/** What is shown instead of the newest, while a moment of the past is looked at. */
export const past = signal<Snapshot | null>(null);
export const snapshot = computed(() => past.value ?? latest.value);
export const samples = signal<readonly Sample[]>([]);
export const events = signal<readonly TimelineEvent[]>([]);
/** What the last command said, for everybody to see. */
export const notice = signal<{ readonly text: string; readonly bad: boolean } | null>(null);

let token = sessionStorage.getItem("token");

function headers(): Record<string, string> {
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/** The token of the stack, where the console wants one. */
export function unlock(given: string): void {
  token = given.trim();
  sessionStorage.setItem("token", token);
  link.value = "connecting";
  void begin();
}

/** Reads what there is to know once, then follows the stream, coming back by itself. */
export async function begin(): Promise<void> {
  for (;;) {
    try {
      const reply = await fetch("./api/session", { headers: headers() });
      if (reply.status === 401) {
        link.value = "locked";
        return;
      }
      if (!reply.ok) throw new Error(`status ${reply.status}`);
      const told = (await reply.json()) as Session;
      if (told.token !== null) token = told.token;
      session.value = told;
      await follow();
    } catch {
      link.value = "lost";
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

let lastEventId = "";

async function follow(): Promise<void> {
  const since = samples.value.at(-1)?.id ?? 0;
  const kept = await fetch(`./api/samples?since=${since}`, { headers: headers() });
  if (kept.ok) addSamples((await kept.json()) as Sample[]);
  const reply = await fetch("./api/stream", {
    headers: { ...headers(), ...(lastEventId && { "last-event-id": lastEventId }) },
  });
  if (!reply.ok || !reply.body) throw new Error(`status ${reply.status}`);
  link.value = "live";
  const reader = new SseReader(snapshotCharsMax);
  const texts = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await texts.read();
    if (done) break;
    for (const { id, event, data } of reader.push(value)) {
      if (id !== "") lastEventId = id;
      take(event, JSON.parse(data));
    }
  }
  link.value = "lost";
}

let run = "";

function take(event: string, data: unknown): void {
  if (event === "run") {
    const { runId } = data as { runId: string };
    if (run !== "" && run !== runId) {
      samples.value = [];
      events.value = [];
    }
    run = runId;
  } else if (event === "snapshot") {
    latest.value = data as Snapshot;
    addSamples([latest.value.sample]);
  } else if (event === "events") {
    const known = events.value.at(-1)?.id ?? 0;
    const more = (data as TimelineEvent[]).filter(({ id }) => id > known);
    events.value = [...events.value, ...more].slice(-eventsMax);
  }
}

/** One a second. */
function addSamples(more: readonly Sample[]): void {
  const list = [...samples.value];
  for (const sample of more) {
    const last = list.at(-1);
    if (last && sample.id <= last.id) continue;
    if (last && sample.atMs - last.atMs < 900) continue;
    list.push(sample);
  }
  samples.value = list.slice(-samplesMax);
}

let asked = 0;

/** Shows the stack as it was at that moment; null: as it is. The last call counts, whichever is answered last. */
export async function lookAt(atMs: number | null): Promise<void> {
  const mine = ++asked;
  if (atMs === null) {
    past.value = null;
    return;
  }
  try {
    const reply = await fetch(`./api/snapshot?at=${Math.round(atMs)}`, { headers: headers() });
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    const found = (await reply.json()) as Snapshot;
    if (mine === asked) past.value = found;
  } catch (error) {
    if (mine === asked) notice.value = { text: messageOf(error), bad: true };
  }
}

/** Has something done.
 * @returns the answer; undefined if it was refused, which is shown */
export async function command<Answer>(name: string, input: unknown, done?: string): Promise<Answer | undefined> {
  try {
    const reply = await fetch(`./api/commands/${name}`, {
      method: "POST",
      headers: { ...headers(), "content-type": "application/json" },
      body: JSON.stringify(input),
    });
    const answer = (await reply.json()) as Answer & { error?: string };
    if (!reply.ok) throw new Error(answer?.error ?? `status ${reply.status}`);
    if (done !== undefined) notice.value = { text: done, bad: false };
    return answer;
  } catch (error) {
    notice.value = { text: messageOf(error), bad: true };
    return undefined;
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
