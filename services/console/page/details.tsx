import type { EndpointView, NodeView, PoolView, ServerView } from "../model.ts";
import { DrillButtons } from "./drills.tsx";
import { Card, StateMark, Table } from "./parts.tsx";
import { command, session, snapshot } from "./store.ts";
import { agoText, rateText, serverState, timeText } from "./words.ts";

const kinds = { dns: "nameserver", l7: "router", l4: "forwarder", origin: "origin" } as const;

/** A node: its pools, and every endpoint as it sees it. */
export function NodeDetail({ node, close }: { readonly node: NodeView; readonly close: () => void }) {
  const target = node.tier === "origin" ? (node.zone ?? "") : node.name;
  return (
    <Card title={node.name} aside={<CloseButton close={close} />}>
      <p>
        <StateMark state={node.state} /> {node.reason} · {node.address}
      </p>
      <DrillButtons kind={kinds[node.tier]} name={target} />
      {node.pools.map((pool) => (
        <Pool key={pool.name} node={node} pool={pool} />
      ))}
    </Card>
  );
}

/** Of a forwarder what its zone's servers answer: it counts connections, and those of checks are spread evenly among them. */
function requestRates(node: NodeView): (endpoint: EndpointView) => number {
  if (node.tier !== "l4") return ({ rate }) => rate;
  const servers = new Map((snapshot.value?.servers ?? []).map(({ address, rate }) => [address, rate]));
  return ({ address }) => servers.get(address) ?? 0;
}

function Pool({ node, pool }: { readonly node: NodeView; readonly pool: PoolView }) {
  const now = snapshot.value?.sample.atMs ?? 0;
  const rateOf = requestRates(node);
  const all = pool.endpoints.reduce((sum, endpoint) => sum + rateOf(endpoint), 0);
  return (
    <section class="pool" aria-label={`pool ${pool.name}`}>
      <h3>
        pool {pool.name} {pool.panic ? <span class="mark bad">PANIC: all are used</span> : null}
        {node.tier === "dns" ? <small> {pool.balance}</small> : <BalanceSelect node={node} pool={pool} />}
      </h3>
      <Table
        label={`endpoints of ${pool.name}`}
        head={["endpoint", "state", "reason", "for", "share", "rate/s", "active", "weight", "latency"]}
      >
        {pool.endpoints.map((endpoint) => (
          <tr key={endpoint.address}>
            <th scope="row" title={endpoint.address}>
              {endpoint.name}
            </th>
            <td>
              <StateMark state={endpoint.state} />
            </td>
            <td title={endpoint.check}>{endpoint.reason}</td>
            <td class="number">{agoText(now - Date.parse(endpoint.since))}</td>
            <td class="number">{all > 0 ? `${Math.round((rateOf(endpoint) / all) * 100)} %` : "–"}</td>
            <td class="number">{rateText(rateOf(endpoint))}</td>
            <td class="number">{endpoint.active}</td>
            <td class="number">
              <Weight pool={pool.name} endpoint={endpoint} />
            </td>
            <td class="number">{timeText(endpoint.latencyMs)}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

/** Switches the algorithm of a pool at every node of the tier. */
function BalanceSelect({ node, pool }: { readonly node: NodeView; readonly pool: PoolView }) {
  const tier = node.tier === "l7" ? "l7" : "l4";
  const change = (event: Event) => {
    const balance = (event.currentTarget as HTMLSelectElement).value;
    const who = tier === "l7" ? "routers" : "forwarders";
    void command("balance", { tier, pool: pool.name, balance }, `${pool.name}: ${balance} at all ${who}`);
  };
  return (
    <label class="inline">
      <span class="hidden">Algorithm of {pool.name}</span>
      <select value={pool.balance} onChange={change}>
        {(session.value?.algorithms ?? []).map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function Weight({ pool, endpoint }: { readonly pool: string; readonly endpoint: EndpointView }) {
  const change = (event: Event) => {
    const weight = Number((event.currentTarget as HTMLInputElement).value);
    void command("weight", { pool, endpoint: endpoint.address, weight }, `${endpoint.name}: weight ${weight}`);
  };
  return (
    // Made anew when the weight changes, and left alone while somebody types.
    <input
      key={endpoint.weight}
      type="number"
      min="1"
      max="1000"
      defaultValue={String(Math.round(endpoint.weight * 100) / 100)}
      aria-label={`weight of ${endpoint.name}`}
      onChange={change}
    />
  );
}

/** A server, and how the forwarders of its zone see it. */
export function ServerDetail({ server, close }: { readonly server: ServerView; readonly close: () => void }) {
  const { state, why } = serverState(server);
  return (
    <Card title={server.name} aside={<CloseButton close={close} />}>
      <p>
        <StateMark state={state} /> {why}
      </p>
      <DrillButtons kind="server" name={server.name} />
      <Table label={`who sees ${server.name}`} head={["seen by", "state", "reason"]}>
        {server.seen.map(({ by, state: seen, reason }) => (
          <tr key={by}>
            <th scope="row">{by}</th>
            <td>
              <StateMark state={seen} />
            </td>
            <td>{reason}</td>
          </tr>
        ))}
      </Table>
      <p class="quiet">
        {server.address} · {rateText(server.rate)} requests/s · {server.active} connections
      </p>
    </Card>
  );
}

function CloseButton({ close }: { readonly close: () => void }) {
  return (
    <button type="button" aria-label="Close" onClick={close}>
      ✕
    </button>
  );
}
