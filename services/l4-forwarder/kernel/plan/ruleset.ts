import { hashSeed } from "./jhash.ts";
import type { KernelServer, KernelService, KernelTable } from "./model.ts";

type Family = 4 | 6;

const familyOf = ({ host }: { readonly host: string }): Family => (host.includes(":") ? 6 : 4);
const ip = (family: Family) => (family === 4 ? "ip" : "ip6");
const endpointType = (family: Family) => `ipv${family}_addr . inet_proto . inet_service`;
const toListener = (family: Family) => `${ip(family)} daddr . meta l4proto . th dport`;
const clientsMax = 65_536; // clients with a count or a rate at a time; one more is not limited
const rateKept = "10s"; // a client that is silent for so long is forgotten
const quoted = (text: string) => `"${text.replaceAll(/["\\\n]/g, " ").slice(0, commentBytesMax)}"`;
const commentBytesMax = 120; // nft takes 128

const slotsOf = ({ name }: KernelService) => `${name}_slots`;
const chainOf = (service: KernelService, { id }: KernelServer) => `${service.name}_server_${id}`;

/** The mark that every connection of a server carries. */
export function markOf(table: KernelTable, { id }: KernelServer): string {
  return `0x${(((table.tag << 16) | id) >>> 0).toString(16).padStart(8, "0")}`;
}

/** Of all connections of a table: what their marks have in common. */
export function tagOf({ tag }: KernelTable): string {
  return `0x${((tag << 16) >>> 0).toString(16).padStart(8, "0")}`;
}

/** Names of what `readCounters` finds: new connections of a server, bytes up and down, and refused clients of a listener. */
export const counterNames = {
  connections: ({ id }: KernelServer) => `connections_${id}`,
  up: ({ id }: KernelServer) => `up_${id}`,
  down: ({ id }: KernelServer) => `down_${id}`,
  limited: ({ name }: KernelService) => `limited_${name}`,
} as const;

/** Text for `nft -f -`: the table as it shall be, in place of the one that is there. One transaction. */
export function writeTable(table: KernelTable): string {
  const families = ([4, 6] as const).filter((family) => table.services.some((service) => familyOf(service) === family));
  const body = [
    `comment ${quoted(table.comment)}`,
    ...table.services.flatMap(counters),
    ...timeouts(table, families),
    ...families.flatMap((family) => lists(table, family)),
    ...marked(table),
    accounting,
    ...caps(table),
    ...table.services.flatMap((service) => serviceParts(table, service)),
    ...families.map((family) => guard(table, family)),
    ...hooks(table, families),
  ];
  const { name } = table;
  const replaced = `add table inet ${name}\ndelete table inet ${name}\n`;
  const refilled = table.services.map((service) => writeSlots(table, service)).join("");
  return `${replaced}table inet ${name} {\n${body.map((part) => `  ${part}\n`).join("")}}\n${refilled}`;
}

/** Text for `nft -f -`: who gets the new connections of a service from now on. One transaction; connections that are there
 * stay where they are, because the kernel asks only about the first packet of each. */
export function writeSlots(table: KernelTable, service: KernelService): string {
  const { plan, servers } = service;
  const chain = `inet ${table.name} ${service.name}`;
  const map = `inet ${table.name} ${slotsOf(service)}`;
  const emptied = `flush chain ${chain}\nflush map ${map}\n`;
  if (plan.slots.length === 0) return emptied;
  const elements = plan.slots.map((index, slot) => {
    const server = servers[index];
    return server ? `${slot} : jump ${chainOf(service, server)}` : "";
  });
  const used = [...new Set(plan.slots)].toSorted((a, b) => a - b).flatMap((index) => servers[index] ?? []);
  const by = plan.by === "hash" ? `jhash ${ip(familyOf(service))} saddr` : `numgen ${plan.by}`;
  const seed = plan.by === "hash" ? ` seed 0x${hashSeed.toString(16)}` : "";
  const rule = `add rule ${chain} ${by} mod ${plan.slots.length}${seed} vmap @${slotsOf(service)}\n`;
  return `${emptied}${rule}${writeOverflow(chain, service, used)}add element ${map} { ${elements.join(", ")} }\n`;
}

/** A server that is full gives a connection back: the next takes it. What nobody takes goes to the listener itself, which
 * this process holds behind the table, and is no longer marked. */
function writeOverflow(chain: string, service: KernelService, used: readonly KernelServer[]): string {
  if (service.connectionsMax === undefined) return "";
  const next = used.map((server) => `add rule ${chain} jump ${chainOf(service, server)}\n`);
  return `${next.join("")}add rule ${chain} ct mark set 0\n`;
}

/** Text for `nft -f -`: nothing of this table is left, whether it was there or not. */
export function writeRemoval({ name }: KernelTable): string {
  return `add table inet ${name}\ndelete table inet ${name}\n`;
}

function counters(service: KernelService): string[] {
  const perServer = service.servers.flatMap((server) =>
    [counterNames.connections, counterNames.up, counterNames.down].map((nameOf) => `counter ${nameOf(server)} { }`),
  );
  return [`counter ${counterNames.limited(service)} { }`, ...perServer];
}

/** Reached by no packet: the kernel counts the bytes of each connection of this host from the moment a rule asks for them. */
const accounting = `chain accounting { comment "bytes of single connections"; ct bytes 0; }`;

/** When the kernel forgets a silent connection: its next packet is then none of ours, and is answered by a reset. */
function timeouts(table: KernelTable, families: readonly Family[]): string[] {
  const { timeouts } = table;
  if (!timeouts) return [];
  const tcp = `established : ${timeouts.idle}, fin_wait : ${timeouts.halfClosed}, close_wait : ${timeouts.halfClosed}`;
  const udp = `unreplied : ${timeouts.udpIdle}, replied : ${timeouts.udpIdle}`;
  return families.flatMap((family) => [
    `ct timeout idle_tcp${family} { protocol tcp; l3proto ${ip(family)}; policy = { ${tcp} }; }`,
    `ct timeout idle_udp${family} { protocol udp; l3proto ${ip(family)}; policy = { ${udp} }; }`,
  ]);
}

function lists({ services, limits }: KernelTable, family: Family): string[] {
  const own = services.filter((service) => familyOf(service) === family);
  const key = ({ host, protocol, port }: KernelService) => `${host} . ${protocol} . ${port}`;
  const elements = (value: (service: KernelService) => string) =>
    own.map((service) => `${key(service)} : ${value(service)}`).join(", ");
  const type = endpointType(family);
  const clients = `type ipv${family}_addr; size ${clientsMax};`;
  return [
    `map services${family} { type ${type} : verdict; elements = { ${elements(({ name }) => `goto ${name}`)} }; }`,
    `map limited${family} { type ${type} : counter; elements = { ${elements((one) => `"${counterNames.limited(one)}"`)} }; }`,
    `set listeners${family} { type ${type}; elements = { ${own.map(key).join(", ")} }; }`,
    ...(limits.connectionsPerClient === undefined ? [] : [`set clients${family} { ${clients} flags dynamic; }`]),
    ...(limits.connectionsPerSecondPerClient === undefined
      ? []
      : [`set rates${family} { ${clients} flags dynamic,timeout; timeout ${rateKept}; }`]),
  ];
}

/** The counters of bytes, by the mark of a connection. */
function marked(table: KernelTable): string[] {
  const servers = table.services.flatMap((service) => service.servers);
  return (["up", "down"] as const).map((direction) => {
    const elements = servers.map((server) => `${markOf(table, server)} : "${counterNames[direction](server)}"`);
    const filled = elements.length > 0 ? ` elements = { ${elements.join(", ")} };` : "";
    return `map bytes_${direction} { type mark : counter;${filled} }`;
  });
}

function caps({ services }: KernelTable): string[] {
  const capped = services.some(({ connectionsMax }) => connectionsMax !== undefined);
  return capped ? ["set full { type mark; size 65535; flags dynamic; }"] : [];
}

/** The slot map of a service, a chain for each of its servers, and the chain that the slots are asked in. */
function serviceParts(table: KernelTable, service: KernelService): string[] {
  const { name, comment, servers } = service;
  return [
    `map ${slotsOf(service)} { typeof numgen inc mod 2 : verdict; comment ${quoted(comment)}; }`,
    ...servers.map((server) => serverChain(table, service, server)),
    `chain ${name} { comment ${quoted(comment)}; }`,
  ];
}

function serverChain(table: KernelTable, service: KernelService, server: KernelServer): string {
  const { connectionsMax, protocol } = service;
  const family = familyOf(server);
  const to = family === 6 ? `[${server.host}]:${server.port}` : `${server.host}:${server.port}`;
  const mark = `ct mark set ${markOf(table, server)}`;
  // An element counts the connections of its mark, in the form in which it was first made: so it is the same everywhere.
  const cap =
    connectionsMax === undefined
      ? mark
      : `${mark} add @full { ct mark ct count over ${connectionsMax} } return; ${mark}`;
  const counted = `counter name "${counterNames.connections(server)}"`;
  const nat = `meta l4proto ${protocol} dnat ${ip(family)} to ${to}`;
  return `chain ${chainOf(service, server)} { comment ${quoted(server.comment)}; ${cap} ${counted} ${nat}; }`;
}

/** What a new connection to a listener passes before it is given a server. */
function guard({ limits, timeouts }: KernelTable, family: Family): string {
  const { connectionsPerClient: count, connectionsPerSecondPerClient: rate, burst } = limits;
  const client = `${ip(family)} saddr`;
  const limited = `counter name ${toListener(family)} map @limited${family}`;
  const refuse = (rule: string) => [
    `meta l4proto tcp ${rule} ${limited} reject with tcp reset; `,
    `meta l4proto udp ${rule} ${limited} reject; `,
  ];
  const idle = (["tcp", "udp"] as const).map((protocol) =>
    timeouts ? `meta l4proto ${protocol} ct timeout set "idle_${protocol}${family}"; ` : "",
  );
  return [
    `chain guard${family} { `,
    // Only a SYN begins a connection: what goes on without one was never ours, or is ours no more.
    "tcp flags & (syn | ack) != syn return; ",
    ...idle,
    ...(rate === undefined
      ? []
      : refuse(`update @rates${family} { ${client} limit rate over ${rate}/second burst ${burst ?? rate} packets }`)),
    ...(count === undefined ? [] : refuse(`add @clients${family} { ${client} ct count over ${count} }`)),
    "}",
  ].join("");
}

function hooks(table: KernelTable, families: readonly Family[]): string[] {
  // The state first: all but the first packet of a connection are let through by one comparison.
  const guards = families
    .map((family) => `ct state new ${toListener(family)} @listeners${family} jump guard${family}; `)
    .join("");
  const dispatch = families.map((family) => `${toListener(family)} vmap @services${family}; `).join("");
  const onlyNew = "tcp flags & (syn | ack) != syn return; ";
  const ours = `ct mark & 0xffff0000 == ${tagOf(table)}`;
  // Each packet toward a server leaves this host once, and each of its answers comes in once, local clients included.
  const count = (direction: "original" | "reply", map: string) =>
    `${ours} ct direction ${direction} counter name ct mark map @${map}; `;
  return [
    `chain guard_input { type filter hook prerouting priority mangle; policy accept; ${count("reply", "bytes_down")}${guards}}`,
    `chain guard_output { type filter hook output priority mangle; policy accept; ${guards}}`,
    `chain dispatch_input { type nat hook prerouting priority dstnat; policy accept; ${onlyNew}${dispatch}}`,
    `chain dispatch_output { type nat hook output priority -100; policy accept; ${onlyNew}${dispatch}}`,
    `chain count_up { type filter hook postrouting priority mangle; policy accept; ${count("original", "bytes_up")}}`,
    `chain source { type nat hook postrouting priority srcnat; policy accept; ${sources(table).join("")}}`,
  ];
}

/** Servers answer to whom they see: without this they would answer past the forwarder. */
function sources(table: KernelTable): string[] {
  return table.services.flatMap((service) => {
    const { source, servers } = service;
    if (source.kind === "keep" || servers.length === 0) return [];
    const to = source.kind === "masquerade" ? "masquerade" : `snat ${ip(familyOf(service))} to ${source.host}`;
    return [`ct mark { ${servers.map((server) => markOf(table, server)).join(", ")} } ${to}; `];
  });
}
