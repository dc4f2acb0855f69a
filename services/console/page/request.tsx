import { signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Card, Table } from "./parts.tsx";
import { go, route } from "./route.ts";
import { command, session } from "./store.ts";
import type { Attempt, Candidate, Trace } from "./trace-model.ts";
import { timeText } from "./words.ts";

interface Asked {
  readonly from: string;
  readonly method: string;
  readonly url: string;
  readonly headers: string;
}

const trace = signal<Trace | null>(null);

/** One real request, and what every tier decided about it: what `./watershed trace --json` says. */
export function OneRequest() {
  const { query } = route.value;
  const asked: Asked = {
    from: query.get("from") ?? "DE",
    method: query.get("method") ?? "GET",
    url: query.get("url") ?? "/api/users",
    headers: query.get("headers") ?? "",
  };
  const busy = useSignal(false);
  const send = async () => {
    busy.value = true;
    const headers = asked.headers
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "");
    const { from, method, url } = asked;
    trace.value = (await command<Trace>("trace", { from, method, url, headers })) ?? null;
    busy.value = false;
  };
  // A link that was shared shows its request at once; a GET does no harm.
  useEffect(() => {
    if (query.has("send") && asked.method === "GET" && session.value) void send();
  }, [query.toString(), session.value === null]);
  return (
    <>
      <Form asked={asked} busy={busy.value} send={() => void send()} />
      {trace.value ? <Way trace={trace.value} /> : <p class="empty">Send a request, and see who decided what.</p>}
    </>
  );
}

const methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];

function Form({ asked, busy, send }: { readonly asked: Asked; readonly busy: boolean; readonly send: () => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => {
      const value = data.get(name);
      return typeof value === "string" ? value : "";
    };
    const next = { from: text("from"), method: text("method"), url: text("url"), headers: text("headers") };
    const isSame = route.value.query.has("send") && JSON.stringify(next) === JSON.stringify(asked);
    if (!isSame) go("request", { ...next, send: "1" });
    if (isSame || next.method !== "GET") setTimeout(send);
  };
  return (
    <form class="card request-form" onSubmit={submit}>
      <label>
        Client in
        <select name="from" defaultValue={asked.from} key={`from ${asked.from}`}>
          {Object.keys(session.value?.countries ?? { DE: "" }).map((code) => (
            <option key={code} selected={code === asked.from}>
              {code}
            </option>
          ))}
        </select>
      </label>
      <label>
        Method
        <select name="method" key={`method ${asked.method}`}>
          {methods.map((one) => (
            <option key={one} selected={one === asked.method}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <label class="wide">
        Path or URL
        <input name="url" required defaultValue={asked.url} key={`url ${asked.url}`} spellcheck={false} />
      </label>
      <label class="wide">
        Headers, one a line
        <textarea
          name="headers"
          rows={2}
          defaultValue={asked.headers}
          key={`headers ${asked.headers}`}
          placeholder="X-Plan: pro"
          spellcheck={false}
        />
      </label>
      <button type="submit" disabled={busy}>
        {busy ? "On its way…" : "Send it"}
      </button>
      <button type="button" onClick={() => void navigator.clipboard?.writeText(location.href)}>
        Copy link
      </button>
    </form>
  );
}

function Way({ trace: shown }: { readonly trace: Trace }) {
  const { dns, http, connections, answer, client } = shown;
  return (
    <ol class="way">
      <Step title="Client" node={client.address} tookMs={null}>
        <p>
          {client.country ?? "a client"} asks for{" "}
          <code>
            {shown.request.method} {shown.request.host}
            {shown.request.path}
          </code>
          .
        </p>
      </Step>
      {dns ? (
        <Step title="Name server" node={dns.node ?? dns.server ?? ""} tookMs={dns.tookMs}>
          {dns.decision ? (
            <>
              <p>
                Place {dns.decision.place?.country ?? "unknown"}, rule <strong>{dns.decision.rule}</strong>: region{" "}
                <strong>{dns.decision.region ?? "none"}</strong> ({dns.decision.reason}), for {dns.decision.ttl} s.
              </p>
              <Table label="Regions" head={["region", "taken", "healthy", "reason", "addresses"]}>
                {(dns.decision.regions ?? []).map((region) => (
                  <tr key={region.region} class={region.chosen ? "taken" : ""}>
                    <th scope="row">{region.region}</th>
                    <td>{region.chosen ? "→ taken" : ""}</td>
                    <td>{region.healthy ? "yes" : "no"}</td>
                    <td>{region.reason}</td>
                    <td>{region.addresses.map(({ address, state }) => `${address} ${state}`).join(", ")}</td>
                  </tr>
                ))}
              </Table>
            </>
          ) : (
            <p class="quiet">{dns.missing}</p>
          )}
        </Step>
      ) : null}
      {http ? (
        <Step title="Router" node={http.node ?? ""} tookMs={http.decision?.tookMs ?? null}>
          {http.decision ? (
            <>
              <p>
                Route {http.decision.route ? <code>{JSON.stringify(http.decision.route.match)}</code> : "none"} → pool{" "}
                <strong>{http.decision.pool ?? "none"}</strong>; status {http.decision.status} ({http.decision.reason}).
              </p>
              <Attempts attempts={http.decision.attempts ?? []} />
            </>
          ) : (
            <p class="quiet">{http.missing}</p>
          )}
        </Step>
      ) : null}
      {connections.map((connection) => (
        <Step key={connection.attempt} title="Forwarder" node={connection.node ?? ""} tookMs={null}>
          {connection.decision ? (
            <>
              <p>
                Connection {connection.decision.ageMs} ms old, to server{" "}
                <strong>{connection.decision.serverName}</strong> ({connection.decision.server}).
              </p>
              <Attempts attempts={connection.decision.attempts ?? []} />
            </>
          ) : (
            <p class="quiet">{connection.missing}</p>
          )}
        </Step>
      ))}
      <Step
        title="Answer"
        node={answer?.headers.find(([name]) => name.toLowerCase() === "x-origin-server")?.[1] ?? ""}
        tookMs={answer?.tookMs ?? null}
      >
        {answer ? (
          <>
            <p>
              Status <strong>{answer.status}</strong>, {answer.bodyBytes} bytes, first byte after{" "}
              {timeText(answer.firstByteMs)}.
              {shown.clientRetries > 0 ? ` The client tried ${shown.clientRetries + 1} addresses.` : ""}
            </p>
            <details>
              <summary>Headers and body</summary>
              <pre>
                {answer.headers.map(([name, value]) => `${name}: ${value}`).join("\n")}
                {"\n\n"}
                {answer.body.slice(0, 4_096)}
              </pre>
            </details>
          </>
        ) : (
          <p>No answer came.</p>
        )}
      </Step>
    </ol>
  );
}

function Step({
  title,
  node,
  tookMs,
  children,
}: {
  readonly title: string;
  readonly node: string;
  readonly tookMs: number | null;
  readonly children: preact.ComponentChildren;
}) {
  return (
    <li>
      <Card
        title={title}
        aside={
          <span class="quiet">
            {node}
            {tookMs === null ? "" : ` · ${timeText(tookMs)}`}
          </span>
        }
      >
        {children}
      </Card>
    </li>
  );
}

function Attempts({ attempts }: { readonly attempts: readonly Attempt[] }) {
  return (
    <>
      {attempts.map(({ choice, outcome, tookMs }, i) => (
        <section key={i} aria-label={`attempt ${i + 1}`}>
          <h3>
            {attempts.length > 1 ? `Attempt ${i + 1}: ` : ""}
            {choice.name ?? "nobody"} by {choice.balance} ({choice.reason}) → {outcome}, {timeText(tookMs)}
          </h3>
          <Candidates candidates={choice.candidates} />
        </section>
      ))}
    </>
  );
}

const shownMax = 12;

function Candidates({ candidates }: { readonly candidates: readonly Candidate[] }) {
  const sorted = [...candidates].sort((a, b) => Number(b.picked) - Number(a.picked));
  return (
    <>
      <Table label="Candidates" head={["candidate", "taken", "reason", "zone", "active", "weight"]}>
        {sorted.slice(0, shownMax).map((one) => (
          <tr key={one.address} class={one.picked ? "taken" : ""}>
            <th scope="row">{one.name}</th>
            <td>{one.picked ? "→ taken" : ""}</td>
            <td>{one.reason}</td>
            <td>{one.zone ?? ""}</td>
            <td class="number">{one.active}</td>
            <td class="number">{one.weight}</td>
          </tr>
        ))}
      </Table>
      {sorted.length > shownMax ? <p class="quiet">and {sorted.length - shownMax} more</p> : null}
    </>
  );
}
