import { computed, signal } from "@preact/signals";

export const views = ["world", "tiers", "request", "drills", "events"] as const;
export type ViewName = (typeof views)[number];

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

/** What the address says: "#request?from=DE&url=/api/users". */
export const route = computed(() => {
  const [name = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?");
  const view = views.find((one) => one === name) ?? "world";
  return { view, query: new URLSearchParams(query) };
});

export function go(view: ViewName, query: Readonly<Record<string, string>> = {}): void {
  const text = new URLSearchParams(query).toString();
  location.hash = text === "" ? `#${view}` : `#${view}?${text}`;
}
