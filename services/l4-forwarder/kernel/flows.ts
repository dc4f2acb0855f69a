/** One connection as conntrack knows it. */
export interface Flow {
  readonly protocol: "tcp" | "udp";
  /** Of TCP; "" for UDP. */
  readonly state: string;
  readonly client: string;
  readonly clientPort: number;
  readonly listener: string;
  readonly listenerPort: number;
  readonly mark: number;
  /** Null where the kernel does not count them (net.netfilter.nf_conntrack_acct). */
  readonly bytesUp: number | null;
  readonly bytesDown: number | null;
}

const form =
  /^(tcp|udp) +\d+ +\d+ (?:([A-Z_]+[0-9]?) )?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) (?:packets=\d+ bytes=(\d+) )?(?:\[UNREPLIED\] )?src=\S+ dst=\S+ sport=\d+ dport=\d+ (?:packets=\d+ bytes=(\d+) )?.*?mark=(\d+)/;

/** States in which a connection is over, or as good as. */
const over = new Set(["TIME_WAIT", "CLOSE", "LAST_ACK"]);

/** The connections in the output of `conntrack -L`: those under way, or also those that the kernel still remembers. */
export function readFlows(text: string, which: "live" | "all" = "live"): Flow[] {
  const flows: Flow[] = [];
  for (const line of text.split("\n")) {
    const match = form.exec(line);
    if (!match) continue;
    const [, protocol, state = "", client = "", listener = "", clientPort, listenerPort, up, down, mark] = match;
    if (which === "live" && over.has(state)) continue;
    flows.push({
      protocol: protocol === "udp" ? "udp" : "tcp",
      state,
      client,
      clientPort: Number(clientPort),
      listener,
      listenerPort: Number(listenerPort),
      mark: Number(mark),
      bytesUp: up === undefined ? null : Number(up),
      bytesDown: down === undefined ? null : Number(down),
    });
  }
  return flows;
}

/** Of every named counter in the output of `nft -j list counters table ...`; undefined if it is no such output. */
export function readCounters(json: string): ReadonlyMap<string, { packets: number; bytes: number }> | undefined {
  try {
    const { nftables } = JSON.parse(json) as {
      nftables: { counter?: { name: string; packets: number; bytes: number } }[];
    };
    return new Map(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter] as const] : [])));
  } catch {
    return undefined;
  }
}
