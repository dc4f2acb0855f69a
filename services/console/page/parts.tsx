import type { ComponentChildren } from "preact";
import { levelOf, shapes } from "./words.ts";

/** A state: shape, colour and word. */
export function StateMark({ state, word = true }: { readonly state: string; readonly word?: boolean }) {
  const level = levelOf(state);
  return (
    <span class={`mark ${level}`} title={state}>
      <span aria-hidden="true">{shapes[level]}</span>
      {word ? <span> {state}</span> : <span class="hidden">{state}</span>}
    </span>
  );
}

/** A number with what it means. */
export function Figure({
  label,
  value,
  bad = false,
}: {
  readonly label: string;
  readonly value: string;
  readonly bad?: boolean;
}) {
  return (
    <div class={bad ? "figure bad" : "figure"}>
      <span class="value">{value}</span>
      <span class="label">{label}</span>
    </div>
  );
}

export function Card({
  title,
  aside,
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <section class="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Columns that hold numbers, which stand at the right. */
const numeric = new Set([
  "rate/s",
  "active",
  "errors",
  "p50",
  "p99",
  "share",
  "weight",
  "latency",
  "for",
  "requests/s",
  "answers/s",
  "wanted/s",
  "sent/s",
  "failed/s",
  "client retries/s",
]);

/** A table that scrolls within itself where it is too wide. */
export function Table({
  head,
  label,
  children,
}: {
  readonly head: readonly string[];
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by the keyboard
    <div class="scroll" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col" class={numeric.has(title) ? "number" : ""}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
