import { useSignal } from "@preact/signals";
import { Card } from "./parts.tsx";
import { command, session, snapshot } from "./store.ts";
import { TrafficPanel } from "./traffic.tsx";

const says: Readonly<Record<string, string>> = {
  kill: "ends it at once",
  stop: "lets it end in order",
  pause: "it hangs: takes connections, and never answers",
  drain: "no new work is sent to it",
  slow: "each answer waits half a second",
  cut: "its packets are dropped",
  heal: "it is well again",
};

/** Everything that can be done to one target. */
export function DrillButtons({ kind, name }: { readonly kind: string; readonly name: string }) {
  const busy = useSignal<string | null>(null);
  const told = session.value;
  const verbs = told?.targets.find((target) => target.kind === kind && target.name === name)?.verbs ?? [];
  if (told?.drillsLimitedBy) return <p class="quiet">{told.drillsLimitedBy}</p>;
  const act = async (verb: string) => {
    busy.value = verb;
    const delay = verb === "slow" ? { delayMs: 500 } : {};
    await command("drill", { verb, target: { kind, name }, ...delay }, `${verb} ${kind} ${name}`);
    busy.value = null;
  };
  return (
    <div class="buttons" role="group" aria-label={`drills of ${kind} ${name}`}>
      {verbs.map((verb) => (
        <button
          key={verb}
          type="button"
          class={verb === "heal" ? "good" : ""}
          title={says[verb]}
          data-drill={verb}
          disabled={busy.value !== null}
          onClick={() => void act(verb)}
        >
          {busy.value === verb ? "…" : verb}
        </button>
      ))}
    </div>
  );
}

/** Break any part, watch it, heal it. */
export function Drills() {
  return (
    <div class="columns packed">
      <TargetPanel />
      <RegionPanel />
      <BalancePanel />
      <TrafficPanel />
    </div>
  );
}

function TargetPanel() {
  const told = session.value;
  const kinds = [...new Set((told?.targets ?? []).map(({ kind }) => kind))];
  const kind = useSignal("server");
  const names = (told?.targets ?? []).filter((target) => target.kind === kind.value).map(({ name }) => name);
  const name = useSignal("");
  const shown = names.includes(name.value) ? name.value : (names[0] ?? "");
  const verbs = told?.targets.find((target) => target.kind === kind.value)?.verbs ?? [];
  return (
    <Card title="Break something">
      <div class="row">
        <label>
          What
          <select value={kind.value} onChange={(event) => (kind.value = event.currentTarget.value)}>
            {kinds.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          Which
          <select value={shown} onChange={(event) => (name.value = event.currentTarget.value)}>
            {names.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      </div>
      <DrillButtons kind={kind.value} name={shown} />
      <dl class="quiet">
        {verbs.map((verb) => (
          <div key={verb}>
            <dt>{verb}</dt>
            <dd>{says[verb]}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

const regionStates = ["drain", "down", "up", "auto"] as const;

function RegionPanel() {
  return (
    <Card title="Steer regions by hand">
      <p class="quiet">At every name server, whatever the checks say. auto: as they say again.</p>
      {(snapshot.value?.regions ?? []).map(({ name, seen }) => (
        <div class="row" key={name}>
          <strong>{name}</strong>
          <span class="quiet">{seen[0]?.forced ?? "auto"}</span>
          <div class="buttons" role="group" aria-label={`region ${name}`}>
            {regionStates.map((state) => (
              <button
                key={state}
                type="button"
                data-region={`${name} ${state}`}
                onClick={() => void command("region", { region: name, state }, `${name}: ${state}`)}
              >
                {state}
              </button>
            ))}
          </div>
        </div>
      ))}
    </Card>
  );
}

function BalancePanel() {
  const nodes = snapshot.value?.nodes ?? [];
  const tiers = [
    { tier: "l7", title: "Routers choose a forwarder by" },
    { tier: "l4", title: "Forwarders choose a server by" },
  ] as const;
  return (
    <Card title="Algorithms">
      {tiers.map(({ tier, title }) => {
        const pools = new Map(
          nodes
            .filter((node) => node.tier === tier)
            .flatMap((node) => node.pools.map((pool) => [pool.name, pool.balance] as const)),
        );
        return (
          <fieldset key={tier}>
            <legend>{title}</legend>
            {[...pools].map(([pool, balance]) => (
              <label class="row" key={pool}>
                <span>{pool}</span>
                <select
                  value={balance}
                  data-balance={`${tier} ${pool}`}
                  onChange={(event) =>
                    void command(
                      "balance",
                      { tier, pool, balance: event.currentTarget.value },
                      `${pool}: ${event.currentTarget.value}`,
                    )
                  }
                >
                  {(session.value?.algorithms ?? []).map((one) => (
                    <option key={one}>{one}</option>
                  ))}
                </select>
              </label>
            ))}
          </fieldset>
        );
      })}
      <p class="quiet">Weights of single endpoints are set where a node of the tiers is opened.</p>
    </Card>
  );
}
