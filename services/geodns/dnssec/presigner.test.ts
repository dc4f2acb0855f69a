import { describe, expect, it, vi } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { queryBytes, readReply } from "#test/support/dns.ts";
import { signedAtSeconds, signersOf, unsignedOf } from "#test/support/dnssec.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { signedSnapshotOf } from "#test/support/geodns-snapshot.ts";
import { Answerer } from "../answer.ts";
import type { Snapshot } from "../snapshot.ts";
import { Presigner } from "./presigner.ts";
import { SignedAnswers } from "./signed-answers.ts";
import type { SignedAnswer } from "./signed-answer.ts";

const out = Buffer.alloc(65_535);
const clients = ["127.49.0.7", "127.1.0.7"].map((text) => ({ address: parseAddress(text)! }));
const dnssecOk = { flags: 0x8000 };
const log = { error: (told: object) => expect.fail(JSON.stringify(told)) };
const daySeconds = 86_400;

/** Signs all that is signed in advance. @returns the answers that were looked at */
function prepare(answers: SignedAnswers, snapshot: Snapshot, now = signedAtSeconds, answersMax = 65_536): number {
  return [...answers.prepare(snapshot, now, answersMax)].length;
}

/** Every steered answer that is signed, in the order of names, choices and turns. */
function steeredOf({ compiled }: Snapshot): (SignedAnswer | undefined)[] {
  return compiled.steered.flatMap(({ byChoice, signed }) =>
    byChoice.flatMap(({ turns }, choice) => turns.orders.map((_, turn) => signed[choice]?.[turn])),
  );
}

describe("signing in advance", () => {
  it("covers every answer to a name that stands there: whoever asks makes nobody sign", () => {
    let made = 0;
    const { signers, key } = signersOf(1_000, () => made++);
    const answerer = new Answerer(signedSnapshotOf(signers), termsOf());
    prepare(answerer.signed, answerer.snapshot);
    const before = made;
    expect(before).toBeGreaterThan(0);
    const names = ["www.stream.test", "stream.test", "api.stream.test", "ns1.stream.test", "x.sub.stream.test"];
    for (const name of names)
      for (const type of [1, 28, 65, 16])
        for (const client of clients)
          for (let turn = 0; turn < 4; turn++) {
            const length = answerer.answer(queryBytes({ name, type, edns: dnssecOk }), client, "udp", out);
            const reply = readReply(Buffer.from(out.subarray(0, length)));
            if (!name.startsWith("x.")) expect(unsignedOf(reply, key)).toEqual([]);
            expect(answerer.decision).toBeUndefined();
          }
    expect(made).toBe(before);
  });

  it("makes one signature for all orders of the same addresses", () => {
    let made = 0;
    const snapshot = signedSnapshotOf(signersOf(1_000, () => made++).signers);
    const answers = new SignedAnswers();
    const [names] = snapshot.compiled.steered;
    const choice = names!.byChoice.findIndex(({ choice: { chosen } }) => chosen[0]?.name === "us-east");
    const turns = [...names!.byChoice[choice]!.turns.orders.keys()];
    expect(turns).toHaveLength(2);
    for (const turn of turns) expect(answers.ofChoice(0, names!, choice, turn, snapshot)).toBeDefined();
    expect(made).toBe(1);
  });

  it.each([
    { what: "stays until half of its time is over", now: signedAtSeconds + daySeconds / 4, isKept: true },
    { what: "is made anew from then on", now: signedAtSeconds + daySeconds / 2, isKept: false },
    { what: "is made anew after the wall clock was set back", now: signedAtSeconds - daySeconds, isKept: false },
  ])("an answer $what", ({ now, isKept }) => {
    const snapshot = signedSnapshotOf(signersOf().signers);
    const answers = new SignedAnswers();
    prepare(answers, snapshot);
    const [before] = steeredOf(snapshot);
    prepare(answers, snapshot, now);
    const [after] = steeredOf(snapshot);
    expect(after).toBeDefined();
    expect(after === before).toBe(isKept);
  });

  it("goes no further than its bound, and the rest is signed when it is asked for", () => {
    const { signers, key } = signersOf();
    const answerer = new Answerer(signedSnapshotOf(signers), termsOf());
    prepare(answerer.signed, answerer.snapshot, signedAtSeconds, 1);
    expect(steeredOf(answerer.snapshot).filter(Boolean)).toHaveLength(1);
    const query = queryBytes({ name: "ns1.stream.test", edns: dnssecOk });
    const length = answerer.answer(query, clients[0]!, "udp", out);
    expect(unsignedOf(readReply(Buffer.from(out.subarray(0, length))), key)).toEqual([]);
  });

  it("signs nothing of a service whose first health round is under way", () => {
    const snapshot = signedSnapshotOf(signersOf().signers, undefined, { ready: false });
    prepare(new SignedAnswers(), snapshot);
    expect(steeredOf(snapshot).filter(Boolean)).toEqual([]);
  });

  it("goes on between turns of the event loop, and begins anew with another snapshot", async () => {
    const { signers } = signersOf();
    const presigner = new Presigner(new SignedAnswers(), log, () => signedAtSeconds);
    const [former, latter] = [signedSnapshotOf(signers), signedSnapshotOf(signers)];
    presigner.start(former);
    presigner.start(latter);
    expect(presigner.isThrough).toBe(false);
    await vi.waitUntil(() => presigner.isThrough);
    expect(steeredOf(latter)).not.toContain(undefined);
    expect(steeredOf(former).filter(Boolean)).toEqual([]);
  });

  it("has nothing to do where no dnsZone is signed", () => {
    const presigner = new Presigner(new SignedAnswers(), log);
    presigner.start(signedSnapshotOf(new Map()));
    expect(presigner.isThrough).toBe(true);
  });
});
