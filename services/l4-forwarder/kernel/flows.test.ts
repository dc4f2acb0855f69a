import { describe, expect, it } from "vitest";
import { readCounters, readFlows } from "./flows.ts";

// Output of conntrack 1.4.7 on Linux 6.18, 2026-11-25.
const cases = [
  {
    name: "an established connection, bytes counted",
    line: "tcp      6 299 ESTABLISHED src=10.77.0.1 dst=10.77.0.5 sport=44169 dport=7001 packets=4 bytes=222 src=10.77.0.11 dst=10.77.0.5 sport=9000 dport=44169 packets=3 bytes=184 [ASSURED] mark=1749352449 use=1",
    flow: {
      protocol: "tcp",
      state: "ESTABLISHED",
      client: "10.77.0.1",
      clientPort: 44_169,
      listener: "10.77.0.5",
      listenerPort: 7_001,
      mark: 1_749_352_449,
      bytesUp: 222,
      bytesDown: 184,
    },
  },
  {
    name: "one that waits for an answer, bytes not counted",
    line: "tcp      6 119 SYN_SENT src=10.77.0.1 dst=10.77.0.5 sport=44170 dport=7001 [UNREPLIED] src=10.77.0.11 dst=10.77.0.5 sport=9000 dport=44170 mark=65537 use=1",
    flow: {
      protocol: "tcp",
      state: "SYN_SENT",
      client: "10.77.0.1",
      clientPort: 44_170,
      listener: "10.77.0.5",
      listenerPort: 7_001,
      mark: 65_537,
      bytesUp: null,
      bytesDown: null,
    },
  },
  {
    name: "datagrams over IPv6",
    line: "udp      17 29 src=fd00::1 dst=fd00::5 sport=5353 dport=53 [UNREPLIED] src=fd00::11 dst=fd00::5 sport=53 dport=5353 mark=3 use=1",
    flow: {
      protocol: "udp",
      state: "",
      client: "fd00::1",
      clientPort: 5_353,
      listener: "fd00::5",
      listenerPort: 53,
      mark: 3,
      bytesUp: null,
      bytesDown: null,
    },
  },
] as const;

describe("what conntrack lists", () => {
  it.each(cases)("$name", ({ line, flow }) => {
    expect(readFlows(`${line}\n`)).toEqual([flow]);
  });

  it("counts no connection that is over, and no line that says something else", () => {
    const over = cases[0].line.replace("ESTABLISHED", "TIME_WAIT");
    expect(readFlows(`${over}\nconntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n\n`)).toEqual([]);
  });
});

describe("what nft says of counters", () => {
  it("is read by name", () => {
    const text =
      '{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"counter": {"family": "inet", "name": "up_1", "table": "t", "handle": 2, "packets": 3, "bytes": 184}}]}';
    expect(readCounters(text)?.get("up_1")).toMatchObject({ packets: 3, bytes: 184 });
  });

  it.each(["", "Error", '{"nftables": 1}', "null"])("%j is no answer", (text) => {
    expect(readCounters(text)).toBeUndefined();
  });
});
