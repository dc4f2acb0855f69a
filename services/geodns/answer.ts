import type { AddressBytes } from "#shared/core/cidr.ts";
import type { CompiledNode, Entry } from "./compiled/zones.ts";
import { decide, steeredAnswer } from "./decide.ts";
import type { Decision } from "./decide.ts";
import type { SteeredBodies } from "./compiled/steered.ts";
import { Lru } from "./dnssec/lru.ts";
import { isOfEveryName, secure } from "./dnssec/secure.ts";
import { signAnswer } from "./dnssec/signed-answer.ts";
import type { SignedAnswer } from "./dnssec/signed-answer.ts";
import { isExhausted } from "./dnssec/signing.ts";
import { depthOf, valueOf } from "./geo-tree/tree.ts";
import type { Snapshot } from "./snapshot.ts";
import { compileBody, emptyBody, tcpBytesMax, truncatedBody } from "./wire/body.ts";
import type { Body } from "./wire/body.ts";
import { classes, rcodes, types } from "./wire/codes.ts";
import { Query, udpReplyBytesMax } from "./wire/query.ts";
import { extendedErrors, optBytes, udpBytesMax, writeReply } from "./wire/reply.ts";
import type { ReplyHead } from "./wire/reply.ts";

export type Transport = "udp" | "tcp";

/** Where the client is, read from its address only where that is needed. */
export interface Client {
  /** 4 or 16 bytes. */
  readonly address: AddressBytes;
}

const refusals = new Map<number, ReplyHead>(
  Object.values(rcodes).map((rcode) => [rcode, { rcode, authoritative: false }] as const),
);
const refusedHead: ReplyHead = { rcode: rcodes.REFUSED, authoritative: false };
const startingHead: ReplyHead = {
  rcode: rcodes.SERVFAIL,
  authoritative: false,
  extendedError: extendedErrors.notReady,
};
const limitedOverUdp: ReplyHead = { rcode: rcodes.NOERROR, authoritative: true };
const limitedOverTcp: ReplyHead = {
  rcode: rcodes.SERVFAIL,
  authoritative: false,
  extendedError: extendedErrors.signingLimit,
};

const madeUpMax = 8_192; // as many as there are signatures of such names; 4 MB when full
const noAddress = new Uint8Array(4);

/** Answers queries, one at a time, from the snapshot in force. What is here runs for every query: it makes no object,
 * string or closure, but for what is not compiled. */
export class Answerer {
  #snapshot: Snapshot;
  /** The query last answered, until the next. */
  readonly query = new Query();
  /** How it was answered. */
  rcode = 0;
  /** Set where the answer was not taken from what is compiled: for who asked, and why. */
  decision: Decision | undefined;
  #scope = 0;
  /** The name that was asked stands there itself: no wildcard stands for it, and it is not missing. */
  #isExact = false;
  #signingRound = 0;
  /** Signed answers to names that whoever asked has made up. */
  readonly #madeUp = new Lru<SignedAnswer>(madeUpMax);

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  set snapshot(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.#madeUp.clear();
  }

  /** Signatures may be due: signed answers are made anew, each when it is next asked for. */
  renewSigned(): void {
    this.#signingRound++;
  }

  /** Answers one message. Never throws on bad input.
   *
   * Read strictly → refuse what cannot be answered → find the name → pick by region → copy within the client's limit.
   * @param out takes the reply from 0; as long as the largest message
   * @returns bytes of the reply; 0 for silence */
  answer(message: Uint8Array, client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    this.decision = undefined;
    this.#scope = 0;
    const verdict = query.read(message);
    if (verdict === "silence") return 0;
    if (verdict === "refused") return this.#write(out, transport, refusals.get(query.rcode) ?? refusedHead, emptyBody);
    if (query.isTraced || query.class !== classes.IN || isRare(query.type))
      return this.#answerSlowly(client, transport, out);

    const entry = this.#find();
    if (!entry) return this.#write(out, transport, refusedHead, emptyBody);
    const signs = query.dnssecOk && entry.needsSigning;
    if (signs && query.compactOk) return this.#answerSlowly(client, transport, out); // few set it; it may change the rcode
    if (signs && !this.#isExact) return this.#answerOnDemand(entry, client, transport, out);
    if (entry.steered >= 0) return this.#answerSteered(entry, client, transport, out);
    if (!signs) return this.#write(out, transport, entry, entry.body);
    const signed = this.#signedStatic(entry);
    if (!signed) return this.#answerSlowly(client, transport, out);
    return this.#write(out, transport, signed.head, signed.body);
  }

  /** Undefined outside every dnsZone. */
  #find(): Entry | undefined {
    const { query } = this;
    const { table } = this.snapshot.compiled.zones;
    const node = table.find(query, 0);
    this.#isExact = node !== undefined;
    if (node) return entryOf(node, query.type);
    for (let label = 1; label <= query.labels; label++) {
      const encloser = table.find(query, label);
      // Only the closest name that exists may have a wildcard (RFC 4592 §3.3.1).
      if (encloser) return encloser.below ? entryOf(encloser.below, query.type) : encloser.nxdomain;
    }
    return undefined;
  }

  #answerSteered(entry: Entry, client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    const { steered, tree } = this.snapshot.compiled;
    const names = steered[entry.steered];
    // SERVFAIL makes a resolver ask the twin at once. Silence would cost it a time-out, and a guess would send clients to
    // a region that may be down, for as long as the TTL lasts.
    if (!names?.answers.view.ready) return this.#write(out, transport, startingHead, emptyBody);
    const { subnetBytes, subnetAddress } = query;
    const found =
      subnetBytes === 4
        ? tree.findIpv4(subnetAddress, 0)
        : subnetBytes === 16
          ? tree.findIpv6(subnetAddress, 0)
          : tree.find(client.address);
    const choice = names.answers.choiceOf[valueOf(found)] ?? 0;
    const one = names.byChoice[choice];
    const turn = one?.turns.take() ?? 0;
    const body = one?.bodies[turn];
    if (!one || !body) return this.#answerSlowly(client, transport, out);
    one.choice.answered++;
    // Who hides the address is answered by where the resolver is: that holds for all who ask through it.
    if (subnetBytes > 0) this.#scope = depthOf(found);
    if (!query.dnssecOk || !entry.needsSigning) return this.#write(out, transport, entry, body);
    const signed = this.#signedSteered(entry, names, choice, turn);
    if (!signed) return this.#answerSlowly(client, transport, out);
    return this.#write(out, transport, signed.head, signed.body);
  }

  #signedStatic(entry: Entry): SignedAnswer | undefined {
    if (entry.signed?.round === this.#signingRound) return entry.signed;
    return (entry.signed = this.#sign("udp"));
  }

  /** An answer that is not steered. */
  #sign(transport: Transport): SignedAnswer | undefined {
    const { name, type } = this.query;
    const question = { name, type, class: classes.IN };
    const decision = decide(question, { client: noAddress, subnet: undefined }, this.snapshot, true);
    return signAnswer(decision, question, this.snapshot, this.#signingRound, transport);
  }

  /** For a name that whoever asks has made up: no such name, or one below a wildcard. Over the limit it costs next to
   * nothing. */
  #answerOnDemand(entry: Entry, client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    if (entry.steered >= 0) return this.#answerSlowly(client, transport, out);
    const key = `${query.type} ${query.name}`;
    let signed = this.#madeUp.get(key);
    if (signed?.round !== this.#signingRound) {
      signed = isExhausted(this.snapshot.signers, transport) ? undefined : this.#sign(transport);
      if (!signed) return this.#refuseToSign(transport, out);
      this.#madeUp.set(key, signed);
    }
    return this.#write(out, transport, signed.head, signed.body);
  }

  #refuseToSign(transport: Transport, out: Uint8Array): number {
    if (transport === "udp") return this.#write(out, transport, limitedOverUdp, truncatedBody);
    return this.#write(out, transport, limitedOverTcp, emptyBody);
  }

  #signedSteered(entry: Entry, names: SteeredBodies, choice: number, turn: number): SignedAnswer | undefined {
    const row = (names.signed[choice] ??= []);
    if (row[turn]?.round === this.#signingRound) return row[turn];
    const steered = this.snapshot.compiled.zones.steered[entry.steered];
    const addresses = names.byChoice[choice]?.turns.orders[turn];
    if (!steered || !addresses) return undefined;
    const { question: name, type, resolution } = steered;
    const sections = steeredAnswer(type, resolution, names.answers.view, addresses);
    const decision = { rcode: "NOERROR", authoritative: true, ...sections } as const;
    return (row[turn] = signAnswer(decision, { name, type, class: classes.IN }, this.snapshot, this.#signingRound));
  }

  /** With the reasons, for what is traced or rare. */
  #answerSlowly(client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    const { name, type } = query;
    const asker = { client: client.address, subnet: query.subnetAt > 0 ? { address: query.subnet } : undefined };
    const decision = decide({ name, type, class: query.class }, asker, this.snapshot);
    this.decision = decision;
    this.#scope = decision.scopePrefix;
    const { dnssecOk, compactOk } = query;
    const secured = secure(
      decision,
      { name, type, class: query.class },
      { dnssecOk, compactOk, transport },
      this.snapshot,
    );
    if (secured.isLimited) {
      this.decision = { ...decision, reason: "LIMIT_REACHED", rule: "signing on demand", answers: [], authority: [] };
      return this.#refuseToSign(transport, out);
    }
    const { authoritative, extendedError } = decision;
    const head = { rcode: rcodes[secured.rcode], authoritative, extendedError, compactOk: secured.compactOk };
    return this.#write(out, transport, head, compileBody(name, secured));
  }

  /** Whole record sets are left out until the rest fits. */
  #write(out: Uint8Array, transport: Transport, head: ReplyHead, whole: Body): number {
    const { query } = this;
    const { identity } = this.snapshot;
    const bytesMax = transport === "udp" ? udpReplyBytesMax(query, udpBytesMax) : tcpBytesMax;
    const bodyMax = bytesMax - query.questionEnd - optBytes(query, head, identity);
    let body = whole;
    while (body.requiredBytes > bodyMax && body.shorter) body = body.shorter;
    this.rcode = head.rcode;
    return writeReply(out, query, head, body, this.#scope, identity, body.bytes.length <= bodyMax);
  }
}

/** What a node gives for a type. */
function entryOf(node: CompiledNode, type: number): Entry {
  return node.entries.get(type) ?? node.other;
}

/** Types that stand nowhere, but are not answered as if they were missing. */
function isRare(type: number): boolean {
  return type === types.AXFR || type === types.IXFR || type === types.NXNAME || isOfEveryName(type);
}
