import { describe, expect, it } from "vitest";
import { tcpText, tcpToldSchema } from "./tcp.ts";

const base = { client: "127.49.0.7", listener: "127.11.1.1:7001", pool: "web", open: true, reason: "OK" };
const candidate = { zone: null, weight: 1, picked: false };
const userspace = tcpToldSchema.parse({
  ...base,
  mode: "userspace",
  why: "configured",
  choice: {
    balance: "round-robin",
    name: "web-2",
    candidates: [
      { ...candidate, name: "web-1", address: "127.11.1.10:9000", active: 4, reason: "DRAINING" },
      { ...candidate, name: "web-2", address: "127.11.1.11:9000", active: 2, reason: "OK", picked: true },
    ],
  },
});
const servers = [
  { name: "web-1", address: "10.0.0.11:9000", active: 2, reason: "OK", share: 0.75 },
  { name: "web-2", address: "10.0.0.12:9000", active: 1, reason: "OK", share: 0.25 },
];
const kernel = { balance: "ip-hash", by: "hash", slots: 1021, slot: 17, address: "10.0.0.12:9000", servers };
const inKernel = tcpToldSchema.parse({ ...base, mode: "kernel", why: "configured", kernel });

const outcomeOf = (told: object) =>
  tcpText(tcpToldSchema.parse(told), "f")
    .split("\n")
    .find((line) => line.startsWith("outcome"));

describe("explain tcp", () => {
  it("shows mode, pool, candidates with their reasons, and the pick", () => {
    expect(tcpText(userspace, "eu-west-a/l4-1").split("\n")).toEqual([
      "asked    eu-west-a/l4-1: 127.11.1.1:7001, open",
      "client   127.49.0.7",
      "mode     userspace: configured",
      "pool     web, round-robin",
      "outcome  web-2 (OK)",
      "",
      "   candidate  address           zone  reason    active  weight",
      "   web-1      127.11.1.10:9000        DRAINING       4       1",
      "→  web-2      127.11.1.11:9000        OK             2       1",
      "",
    ]);
  });

  it("shows in the kernel the slot of a client that is hashed, and the share of every server", () => {
    expect(tcpText(inKernel, "f").split("\n").slice(3)).toEqual([
      "pool     web, ip-hash",
      "slots    17 of 1021, by the hash of the client",
      "outcome  web-2 (OK)",
      "",
      "   server  address         reason  active   share",
      "   web-1   10.0.0.11:9000  OK           2  75.0 %",
      "→  web-2   10.0.0.12:9000  OK           1  25.0 %",
      "",
    ]);
  });

  it.each([
    {
      name: "a closed listener",
      told: { ...userspace, open: false, reason: "NO_HEALTHY" },
      says: "refused: the listener is closed (NO_HEALTHY)",
    },
    {
      name: "slots that are counted through",
      told: { ...inKernel, kernel: { ...kernel, by: "inc", slot: null, address: null } },
      says: "one of those below, by its share (OK)",
    },
    {
      name: "no slot at all",
      told: { ...inKernel, reason: "LIMIT_REACHED", kernel: { ...kernel, slots: 0, slot: null, address: null } },
      says: "not in the kernel: the forwarder itself takes it (LIMIT_REACHED)",
    },
  ])("says what comes of $name", ({ told, says }) => {
    expect(outcomeOf(told)).toBe(`outcome  ${says}`);
  });
});
