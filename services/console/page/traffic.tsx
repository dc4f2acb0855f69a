import { useSignal } from "@preact/signals";
import { Card, Table } from "./parts.tsx";
import { command, session, snapshot } from "./store.ts";
import { rateText, timeText } from "./words.ts";

/** Rates by country as they are wanted now. */
export function wantedRates(): Record<string, number> {
  const countries = snapshot.value?.traffic?.countries ?? [];
  return Object.fromEntries(
    countries.filter(({ wanted }) => wanted > 0).map(({ country, wanted }) => [country, wanted]),
  );
}

/** Sends that much from a country, beside what is sent already. */
export async function sendFrom(country: string, rate: number): Promise<void> {
  await command(
    "traffic",
    { rates: { ...wantedRates(), [country]: rate } },
    rate > 0 ? `${rate} requests/s from ${country}` : `nothing from ${country} any more`,
  );
}

/** Requests per second from a country. While it is moved it shows the hand's word, not that of the stack. */
export function RateSlider({ country }: { readonly country: string }) {
  const held = useSignal<number | null>(null);
  const send = async (rate: number) => {
    await sendFrom(country, rate);
    held.value = null;
  };
  return (
    <input
      type="range"
      min="0"
      max={rateMax}
      aria-label={`requests per second from ${country}`}
      value={held.value ?? wantedRates()[country] ?? 0}
      onInput={(event) => (held.value = Number(event.currentTarget.value))}
      onChange={(event) => void send(Number(event.currentTarget.value))}
    />
  );
}

const rateMax = 200;

const presets: readonly { readonly title: string; readonly rates: Readonly<Record<string, number>> }[] = [
  { title: "Nothing", rates: {} },
  { title: "Two countries", rates: { DE: 20, US: 20 } },
  { title: "The world", rates: { DE: 10, GB: 8, FR: 8, US: 20, BR: 6, JP: 8, IN: 10, AU: 4, ZA: 3, MX: 4 } },
];

/** Real requests at chosen rates, from chosen countries. */
export function TrafficPanel() {
  const traffic = snapshot.value?.traffic ?? null;
  const country = useSignal("DE");
  const mix = useSignal("");
  const seed = useSignal(1);
  const known = Object.keys(session.value?.countries ?? {});
  const send = (rates: Readonly<Record<string, number>>) =>
    command(
      "traffic",
      {
        rates,
        seed: seed.value,
        mix: mix.value
          .split("\n")
          .map((line) => line.trim())
          .filter((line) => line !== ""),
      },
      "Traffic is set",
    );
  const scale = (factor: number) =>
    send(
      Object.fromEntries(
        Object.entries(wantedRates()).map(([name, rate]) => [name, Math.round(rate * factor * 10) / 10]),
      ),
    );
  return (
    <Card title="Traffic">
      <div class="buttons" role="group" aria-label="How much">
        {presets.map(({ title, rates }) => (
          <button key={title} type="button" data-traffic={title} onClick={() => void send(rates)}>
            {title}
          </button>
        ))}
        <button type="button" onClick={() => void scale(0.5)}>
          ½
        </button>
        <button type="button" onClick={() => void scale(2)}>
          × 2
        </button>
      </div>
      <div class="row">
        <label>
          Country
          <select value={country.value} onChange={(event) => (country.value = event.currentTarget.value)}>
            {known.map((code) => (
              <option key={code}>{code}</option>
            ))}
          </select>
        </label>
        <label>
          Requests/s
          <RateSlider country={country.value} />
        </label>
        <output>{rateText(wantedRates()[country.value] ?? 0)}/s</output>
      </div>
      <details>
        <summary>What is sent</summary>
        <label>
          One kind a line, with its weight; none: a usual mix
          <textarea
            rows={4}
            placeholder={"GET /api/users 5\nGET /static/app.css 3\nPOST /api/orders"}
            value={mix.value}
            onInput={(event) => (mix.value = event.currentTarget.value)}
          />
        </label>
        <label>
          Seed
          <input
            type="number"
            min="0"
            value={seed.value}
            onInput={(event) => (seed.value = Number(event.currentTarget.value) || 0)}
          />
        </label>
        <button type="button" onClick={() => void send(wantedRates())}>
          Send these
        </button>
      </details>
      {traffic && traffic.countries.length > 0 ? (
        <Table
          label="Traffic by country"
          head={["from", "wanted/s", "sent/s", "failed/s", "client retries/s", "p50", "p99", "answered by"]}
        >
          {traffic.countries.map((one) => (
            <tr key={one.country}>
              <th scope="row">{one.country}</th>
              <td class="number">{rateText(one.wanted)}</td>
              <td class="number">{one.requests}</td>
              <td class={one.failed > 0 ? "number bad" : "number"}>{one.failed}</td>
              <td class="number">{one.retries}</td>
              <td class="number">{timeText(one.p50Ms)}</td>
              <td class="number">{timeText(one.p99Ms)}</td>
              <td>
                {Object.entries(one.answers)
                  .map(([region, count]) => `${region} ${count}`)
                  .join(", ")}
              </td>
            </tr>
          ))}
        </Table>
      ) : (
        <p class="empty">Nothing is sent from here.</p>
      )}
      {traffic?.lastFailure ? <p class="quiet">last failure: {traffic.lastFailure}</p> : null}
    </Card>
  );
}
