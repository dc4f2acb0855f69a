import { describe, expect, it } from "vitest";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import type { ProgramResult, RunProgram } from "./program.ts";
import { findSupport, modeOf } from "./support.ts";
import type { KernelSupport } from "./support.ts";

const ok: ProgramResult = { code: 0, stdout: "", stderr: "", missing: false };
const fails = (stderr: string): ProgramResult => ({ code: 1, stdout: "", stderr, missing: false });
const missing: ProgramResult = { code: undefined, stdout: "", stderr: "", missing: true };
const program =
  (nft: (input: string) => ProgramResult, conntrack = ok): RunProgram =>
  (name, _args, input = "") =>
    Promise.resolve(name === "nft" ? nft(input) : conntrack);

describe("what is missing for the kernel", () => {
  const cases = [
    { name: "nothing", run: program(() => ok), says: undefined },
    { name: "nft", run: program(() => missing), says: "the program nft is not installed" },
    { name: "conntrack", run: program(() => ok, missing), says: "the program conntrack is not installed" },
    {
      name: "the right",
      run: program(() => fails("Error: Could not process rule: Operation not permitted\n")),
      says: "nft is not permitted here: it takes CAP_NET_ADMIN",
    },
    {
      name: "something else",
      run: program(() => fails("Error: bad\nmore")),
      says: "nft cannot do it here: Error: bad",
    },
  ];
  it.each(cases)("$name", async ({ run, says }) => {
    expect((await findSupport(run)).missing).toBe(says);
  });

  it("is not the time limits: without them the rest goes", async () => {
    const run = program((input) => (input.includes("ct timeout") ? fails("Error: not supported") : ok));
    expect(await findSupport(run)).toMatchObject({ missing: undefined, timeouts: false });
  });
});

describe("the mode of a listener", () => {
  const able: KernelSupport = { missing: undefined, timeouts: true, forwards: { v4: true, v6: true } };
  const unable: KernelSupport = {
    missing: "the program nft is not installed",
    timeouts: false,
    forwards: { v4: false, v6: false },
  };
  const decide = (mode: string, support: KernelSupport, listener: object = {}, server = "10.0.0.11:80") => {
    const config = l4ForwarderSchema.parse({
      mode,
      listeners: [{ address: "10.0.0.5:80", pool: "web", ...listener }],
      pools: { web: { endpoints: [{ address: server }] } },
    });
    return modeOf(config.listeners[0]!, config, support);
  };
  const cases = [
    { name: "userspace as configured", decided: () => decide("userspace", able), mode: "userspace", why: "configured" },
    { name: "kernel as configured", decided: () => decide("kernel", able), mode: "kernel", why: "configured" },
    { name: "auto", decided: () => decide("auto", able), mode: "kernel", why: "nftables can be used" },
    { name: "auto where it cannot", decided: () => decide("auto", unable), mode: "userspace", why: /nft is not/ },
    { name: "its own", decided: () => decide("kernel", able, { mode: "userspace" }), mode: "userspace", why: /conf/ },
    {
      name: "that reads PROXY headers",
      decided: () => decide("kernel", able, { proxyProtocol: { accept: "v2" } }),
      mode: "userspace",
      why: /PROXY/,
    },
    {
      name: "auto, whose servers have other addresses",
      decided: () => decide("auto", able, {}, "[fd00::1]:80"),
      mode: "userspace",
      why: /family/,
    },
    {
      name: "auto, on a host that forwards nothing",
      decided: () => decide("auto", { ...able, forwards: { v4: false, v6: false } }),
      mode: "userspace",
      why: /ip_forward/,
    },
    {
      name: "auto, over IPv6, on a host that forwards IPv4 alone",
      decided: () =>
        decide("auto", { ...able, forwards: { v4: true, v6: false } }, { address: "[fd00::5]:80" }, "[fd00::11]:80"),
      mode: "userspace",
      why: /net\.ipv6\.conf\.all\.forwarding/,
    },
    {
      name: "on loopback, where nothing is forwarded",
      decided: () => decide("auto", { ...able, forwards: { v4: false, v6: false } }, { address: "127.0.0.5:80" }),
      mode: "kernel",
      why: /can be used/,
    },
  ];
  it.each(cases)("$name", ({ decided, mode, why }) => {
    expect(decided()).toEqual({ mode, why: expect.stringMatching(why) as string });
  });

  it("cannot be the kernel where something is missing", () => {
    expect(() => decide("kernel", unable)).toThrow(
      "listener 10.0.0.5:80: mode kernel: the program nft is not installed",
    );
    expect(() => decide("auto", unable, { clientAddress: "keep" })).toThrow("nft is not installed");
  });

  it("is refused with the config where bytes would have to change", () => {
    expect(() => decide("userspace", able, { mode: "kernel", proxyProtocol: { send: "v1" } })).toThrow("PROXY headers");
    expect(() => decide("userspace", able, { clientAddress: "keep" })).toThrow("only the kernel can keep it");
  });
});
