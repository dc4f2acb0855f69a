import type { HeaderEdits } from "#shared/config/schema/route-actions.ts";
import { keyOf } from "../headers.ts";
import type { HeaderList } from "../headers.ts";

/** Header lines as a route edits them: what is removed or set goes, then what is set and what is added comes. */
export function editHeaders(lines: HeaderList, { remove, set, add }: HeaderEdits): string[] {
  const gone = new Set([...remove, ...Object.keys(set)].map((name) => name.toLowerCase()));
  const edited: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? "";
    if (!gone.has(keyOf(name))) edited.push(name, lines[i + 1] ?? "");
  }
  for (const [name, value] of [...Object.entries(set), ...Object.entries(add)]) edited.push(name, value);
  return edited;
}
