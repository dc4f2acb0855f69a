import { readFileSync } from "node:fs";
import { parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import { UsageError } from "#shared/core/error.ts";
import { writeTable } from "./plan/ruleset.ts";
import type { KernelTable } from "./plan/model.ts";
import type { RunProgram } from "./program.ts";

/** What this process may do with the kernel's tables. */
export interface KernelSupport {
  /** Undefined if it can be used; else what is missing, for people. */
  readonly missing: string | undefined;
  /** The kernel lets us set how long a silent connection is kept. */
  readonly timeouts: boolean;
  /** Packets between other machines are passed on. */
  readonly forwards: { readonly v4: boolean; readonly v6: boolean };
}

/** Asks nft to check a ruleset like ours, without applying it. */
export async function findSupport(run: RunProgram): Promise<KernelSupport> {
  const lacking = (missing: string): KernelSupport => ({
    missing,
    timeouts: false,
    forwards: { v4: false, v6: false },
  });
  if (process.platform !== "linux") return lacking("nftables is part of Linux");
  const conntrack = await run("conntrack", ["--version"]);
  if (conntrack.missing) return lacking("the program conntrack is not installed");
  const whole = await run("nft", ["-c", "-f", "-"], writeTable(sample(true)));
  if (whole.missing) return lacking("the program nft is not installed");
  if (whole.code === 0) return { missing: undefined, timeouts: true, forwards: forwards() };
  if (whole.stderr.includes("not permitted")) return lacking("nft is not permitted here: it takes CAP_NET_ADMIN");
  const plain = await run("nft", ["-c", "-f", "-"], writeTable(sample(false)));
  if (plain.code === 0) return { missing: undefined, timeouts: false, forwards: forwards() };
  return lacking(`nft cannot do it here: ${plain.stderr.split("\n")[0] ?? ""}`);
}

function forwards(): KernelSupport["forwards"] {
  return { v4: isOn("ipv4/ip_forward"), v6: isOn("ipv6/conf/all/forwarding") };
}

function isOn(key: string): boolean {
  try {
    return readFileSync(`/proc/sys/net/${key}`, "utf8").trim() === "1";
  } catch {
    return false;
  }
}

function sample(withTimeouts: boolean): KernelTable {
  const server = { id: 1, address: "127.0.0.1:1", host: "127.0.0.1", port: 1, comment: "" };
  return {
    name: "watershed_check",
    comment: "",
    tag: 1,
    services: [
      {
        name: "sample_1",
        comment: "",
        host: "127.0.0.1",
        port: 1,
        protocol: "tcp",
        servers: [server],
        connectionsMax: 1,
        source: { kind: "address", host: "127.0.0.1" },
        plan: { by: "hash", slots: [0] },
      },
    ],
    limits: { connectionsPerClient: 1, connectionsPerSecondPerClient: 1, burst: 1 },
    timeouts: withTimeouts ? { idle: 1, halfClosed: 1, udpIdle: 1 } : undefined,
  };
}

/** Who moves the bytes of a listener, and why, in words for people. */
export interface ListenerMode {
  readonly mode: "userspace" | "kernel";
  readonly why: string;
}

/** @throws {UsageError} if the kernel is asked for, by `mode: kernel` or `clientAddress: keep`, and cannot be used */
export function modeOf(
  listener: L4ListenerConfig,
  config: L4ForwarderConfig,
  support: KernelSupport | undefined,
): ListenerMode {
  const wanted = listener.mode ?? config.mode;
  if (wanted === "userspace" || !support) return { mode: "userspace", why: "configured" };
  if (listener.proxyProtocol.accept ?? listener.proxyProtocol.send)
    return { mode: "userspace", why: "PROXY headers change the bytes of a connection" };
  if (listener.sni) return { mode: "userspace", why: "server names are read from the bytes of a connection" };
  const missing = missingFor(listener, config, support);
  if (missing === undefined)
    return { mode: "kernel", why: wanted === "kernel" ? "configured" : "nftables can be used" };
  if (wanted === "kernel" || listener.clientAddress === "keep")
    throw new UsageError(`listener ${listener.address}: mode ${wanted}: ${missing}`);
  return { mode: "userspace", why: missing };
}

function missingFor(
  { address, pool }: L4ListenerConfig,
  { pools }: L4ForwarderConfig,
  { missing, forwards }: KernelSupport,
): string | undefined {
  if (missing !== undefined) return missing;
  const host = parseSocketAddress(address)?.host ?? "";
  const isV6 = host.includes(":");
  const servers = (pools[pool]?.endpoints ?? []).map((endpoint) => parseSocketAddress(endpoint.address)?.host ?? "");
  if (servers.some((server) => server.includes(":") !== isV6))
    return "its servers are of the other family of addresses";
  if (parseAddress(host)?.every((byte) => byte === 0)) return "it listens on every address: name each";
  const [passes, key] = isV6 ? [forwards.v6, "net.ipv6.conf.all.forwarding"] : [forwards.v4, "net.ipv4.ip_forward"];
  if (!passes && !host.startsWith("127.") && host !== "::1")
    return `${key} is 0: the kernel would not pass packets on (sysctl -w ${key}=1)`;
  return undefined;
}
