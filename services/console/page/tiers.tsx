import { signal } from "@preact/signals";
import type { NodeView, RegionView, ServerView, Snapshot } from "../model.ts";
import { NodeDetail, ServerDetail } from "./details.tsx";
import { Card, StateMark, Table } from "./parts.tsx";
import { snapshot } from "./store.ts";
import { levelOf, rateText, serverState, shapes, shareText, timeText } from "./words.ts";

/** What is looked at closely: the name of a node or of a server. */
export const chosen = signal<string | null>(null);

/** Region → routers → zones → forwarders → servers, as one picture, and the same as a table. */
export function Tiers() {
  const shown = snapshot.value;
  if (!shown) return <p />;
  const node = shown.nodes.find(({ name }) => name === chosen.value);
  const server = shown.servers.find(({ name }) => name === chosen.value);
  return (
    <>
      <p class="lead">
        A client asks a name server, which sends it to a region. A router sends its request to a zone, a forwarder of
        that zone to a server. Each tier checks the one below it.
      </p>
      <div class={node || server ? "split" : ""}>
        <Diagram shown={shown} />
        {node ? <NodeDetail node={node} close={() => (chosen.value = null)} /> : null}
        {server ? <ServerDetail server={server} close={() => (chosen.value = null)} /> : null}
      </div>
      <details class="tables">
        <summary>The same as tables</summary>
        <NodeTable nodes={shown.nodes} />
        <ServerTable servers={shown.servers} />
      </details>
    </>
  );
}

function Diagram({ shown }: { readonly shown: Snapshot }) {
  const nameServers = shown.nodes.filter(({ tier }) => tier === "dns");
  return (
    <div class="diagram">
      <Tier title="Name servers">
        {nameServers.map((node) => (
          <NodeBox key={node.name} node={node} unit="queries/s" />
        ))}
      </Tier>
      <div class="regions">
        {shown.regions.map((region) => (
          <Region key={region.name} region={region} shown={shown} />
        ))}
      </div>
    </div>
  );
}

function Region({ region, shown }: { readonly region: RegionView; readonly shown: Snapshot }) {
  const inside = shown.nodes.filter((node) => node.region === region.name);
  const routers = inside.filter(({ tier }) => tier === "l7");
  const zones = [...new Set(inside.flatMap(({ zone, tier }) => (tier === "l4" && zone ? [zone] : [])))];
  const off = region.seen.find(({ healthy, forced }) => !healthy || forced !== null);
  return (
    <section class={off ? "region off" : "region"} aria-label={`region ${region.name}`}>
      <header>
        <h2>{region.name}</h2>
        <StateMark state={off ? (off.forced ?? "down") : "up"} />
        {off ? <span class="why">{off.reason}</span> : null}
        <span class="rate">{rateText(region.steeredRate)} answers/s</span>
      </header>
      <Tier title="Routers">
        {routers.map((node) => (
          <NodeBox key={node.name} node={node} unit="requests/s" />
        ))}
      </Tier>
      <div class="zones">
        {zones.map((zone) => (
          <Zone key={zone} zone={zone} shown={shown} />
        ))}
      </div>
    </section>
  );
}

function Zone({ zone, shown }: { readonly zone: string; readonly shown: Snapshot }) {
  const forwarders = shown.nodes.filter((node) => node.zone === zone && node.tier === "l4");
  const groups = [
    ...Map.groupBy(
      shown.servers.filter((server) => server.zone === zone),
      ({ service }) => service,
    ),
  ];
  return (
    <section class="zone" aria-label={`zone ${zone}`}>
      <h3>{zone}</h3>
      <Tier title="Forwarders">
        {forwarders.map((node) => (
          <NodeBox key={node.name} node={node} unit="connections/s" />
        ))}
      </Tier>
      <div class="services">
        {groups.map(([service, servers]) => (
          <div class="service" key={service}>
            <h4>
              {service} <span class="rate">{rateText(servers.reduce((sum, { rate }) => sum + rate, 0))}/s</span>
            </h4>
            <div class={servers.length > 8 ? "servers many" : "servers"}>
              {servers.map((server) => (
                <ServerChip key={server.name} server={server} bare={servers.length > 8} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </section>
  );
}

function Tier({ title, children }: { readonly title: string; readonly children: preact.ComponentChildren }) {
  return (
    <div class="tier">
      <span class="tier-title">{title}</span>
      <div class="nodes">{children}</div>
    </div>
  );
}

function NodeBox({ node, unit }: { readonly node: NodeView; readonly unit: string }) {
  const short = node.name.slice(node.name.lastIndexOf("/") + 1);
  const isOpen = chosen.value === node.name;
  return (
    <button
      type="button"
      class={`node ${levelOf(node.state)}`}
      data-node={node.name}
      aria-pressed={isOpen}
      title={`${node.name}: ${node.state} ${node.reason}`}
      onClick={() => (chosen.value = isOpen ? null : node.name)}
    >
      <span class="name">
        <StateMark state={node.state} word={false} /> {short}
      </span>
      {node.state === "ready" ? (
        <span class="numbers">
          {rateText(node.rate)} <small>{unit}</small>
          {node.p50Ms === null ? null : <small> · {timeText(node.p50Ms)}</small>}
          {node.tier === "dns" ? null : <small> · {node.active} active</small>}
        </span>
      ) : (
        <span class="why">
          {node.state} {node.reason}
        </span>
      )}
    </button>
  );
}

function ServerChip({ server, bare }: { readonly server: ServerView; readonly bare: boolean }) {
  const { state, why } = serverState(server);
  const level = levelOf(state);
  const short = server.name.slice(server.name.lastIndexOf("/") + 1);
  const isOpen = chosen.value === server.name;
  return (
    <button
      type="button"
      class={`server ${level}`}
      data-server={server.name}
      data-state={state}
      aria-pressed={isOpen}
      title={`${server.name}: ${state} ${why} · ${rateText(server.rate)}/s · ${server.active} active`}
      onClick={() => (chosen.value = isOpen ? null : server.name)}
    >
      <span class="hidden">
        {server.name} {state} {why}
      </span>
      <span aria-hidden="true">{shapes[level]}</span>
      {bare ? null : (
        <span class="short" aria-hidden="true">
          {short.replace(`${server.service}-`, "")}
        </span>
      )}
      {bare ? null : <small aria-hidden="true">{rateText(server.rate)}</small>}
    </button>
  );
}

function NodeTable({ nodes }: { readonly nodes: readonly NodeView[] }) {
  return (
    <Card title="Nodes">
      <Table label="Nodes" head={["node", "state", "reason", "rate/s", "active", "errors", "p50", "p99"]}>
        {nodes.map((node) => (
          <tr key={node.name}>
            <th scope="row">{node.name}</th>
            <td>
              <StateMark state={node.state} />
            </td>
            <td>{node.reason}</td>
            <td class="number">{rateText(node.rate)}</td>
            <td class="number">{node.active}</td>
            <td class="number">{shareText(node.errorShare)}</td>
            <td class="number">{timeText(node.p50Ms)}</td>
            <td class="number">{timeText(node.p99Ms)}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function ServerTable({ servers }: { readonly servers: readonly ServerView[] }) {
  return (
    <Card title="Servers">
      <Table label="Servers" head={["server", "address", "state", "why", "requests/s", "active"]}>
        {servers.map((server) => {
          const { state, why } = serverState(server);
          return (
            <tr key={server.name}>
              <th scope="row">{server.name}</th>
              <td>{server.address}</td>
              <td>
                <StateMark state={state} />
              </td>
              <td>{why}</td>
              <td class="number">{rateText(server.rate)}</td>
              <td class="number">{server.active}</td>
            </tr>
          );
        })}
      </Table>
    </Card>
  );
}
