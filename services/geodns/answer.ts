import type { AddressBytes } from "#shared/core/cidr.ts";
import { isSlow } from "./compiled/zones.ts";
import type { CompiledNode, Entry } from "./compiled/zones.ts";
import { decide, outside } from "./decide.ts";
import type { Decision } from "./decide.ts";
import { isOfEveryName, secure } from "./dnssec/secure.ts";
import { SignedAnswers } from "./dnssec/signed-answers.ts";
import type { SignedAnswer } from "./dnssec/signed-answer.ts";
import { depthOf, valueOf } from "./geo-tree/tree.ts";
import type { Snapshot } from "./snapshot.ts";
import { compileBody, cutBody, emptyBody, tcpBytesMax } from "./wire/body.ts";
import type { Body } from "./wire/body.ts";
import { classes, extendedErrors, isMeta, rcodes, types } from "./wire/codes.ts";
import { Query, udpReplyBytesMax } from "./wire/query.ts";
import { Reception } from "./wire/reception.ts";
import type { Terms } from "./wire/reception.ts";
import { encodeExtendedError, optBytes, udpBytesMax, writeReply } from "./wire/reply.ts";
import type { ReplyHead } from "./wire/reply.ts";

export type Transport = "udp" | "tcp" | "tls" | "https";

/** Where the client is, read from its address only where that is needed. */
export interface Client {
  /** 4 or 16 bytes. */
  readonly address: AddressBytes;
}

const notReady = encodeExtendedError(extendedErrors.notReady, "the first health checks are under way");
const signingLimit = encodeExtendedError(extendedErrors.other, "too many signatures asked for");
const notAuthoritative = encodeExtendedError(extendedErrors.notAuthoritative, outside.rule);
const refusals = new Map<number, ReplyHead>(
  Object.values(rcodes).map((rcode) => [rcode, { rcode, authoritative: false }] as const),
);
const refusedHead: ReplyHead = { rcode: rcodes.REFUSED, authoritative: false };
const outsideHead: ReplyHead = { rcode: rcodes.REFUSED, authoritative: false, extendedError: notAuthoritative };
const startingHead: ReplyHead = { rcode: rcodes.SERVFAIL, authoritative: false, extendedError: notReady };
const limitedOverUdp: ReplyHead = { rcode: rcodes.NOERROR, authoritative: true };
const limitedOverTcp: ReplyHead = { rcode: rcodes.SERVFAIL, authoritative: false, extendedError: signingLimit };

/** Answers queries, one at a time, from the snapshot in force. What is here runs for every query: it makes no object,
 * string or closure, but for what is not compiled. */
export class Answerer {
  #snapshot: Snapshot;
  /** The query last answered, until the next. */
  readonly query = new Query();
  /** How its client was received. */
  readonly reception: Reception;
  /** How it was answered. */
  rcode = 0;
  /** Set where the answer was not taken from what is compiled: for who asked, and why. */
  decision: Decision | undefined;
  #scope = 0;
  /** The name that was asked stands there itself: no wildcard stands for it, and it is not missing. */
  #isExact = false;
  /** Those to who sets DO. */
  readonly signed = new SignedAnswers();

  constructor(snapshot: Snapshot, terms: Terms) {
    this.#snapshot = snapshot;
    this.reception = new Reception(terms);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  set snapshot(snapshot: Snapshot) {
    this.#snapshot = snapshot;
    this.signed.forget();
  }

  /** Answers one message. Never throws on bad input.
   *
   * Read strictly → receive the client → refuse what cannot be answered → find the name → pick by region → copy within the
   * client's limit.
   * @param out takes the reply from 0; as long as the largest message
   * @returns bytes of the reply; 0 for silence */
  answer(message: Uint8Array, client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    this.decision = undefined;
    this.#scope = 0;
    const verdict = query.read(message);
    if (verdict === "silence") return 0;
    const refusal = this.reception.receive(query, client, transport);
    if (verdict === "refused") return this.#refuse(out, transport, query.rcode);
    if (refusal >= 0 || verdict === "cookieOnly")
      return this.#refuse(out, transport, Math.max(refusal, rcodes.NOERROR));
    if (query.isTraced || query.class !== classes.IN || isRare(query.type))
      return this.#answerSlowly(client, transport, out);

    const entry = this.#find();
    if (!entry) return this.#write(out, transport, outsideHead, emptyBody);
    if (entry.steered === isSlow) return this.#answerSlowly(client, transport, out);
    const signs = query.dnssecOk && entry.needsSigning;
    if (signs && query.compactOk) return this.#answerSlowly(client, transport, out); // few set it; it may change the rcode
    if (signs && !this.#isExact && entry.cut === undefined) return this.#answerOnDemand(entry, client, transport, out);
    if (entry.steered >= 0) return this.#answerSteered(entry, client, transport, out);
    if (!signs) return this.#write(out, transport, entry, entry.body);
    return this.#writeSigned(this.signed.ofEntry(entry, query, this.#snapshot), client, transport, out);
  }

  /** Another reply to the query last answered, where too much is answered to its network: a short one that makes a real client prove where
   * it is, by a cookie if it knows them, else over TCP.
   * @returns bytes of the reply */
  answerCut(out: Uint8Array): number {
    this.#scope = 0;
    if (this.reception.knowsCookies) return this.#refuse(out, "udp", rcodes.BADCOOKIE);
    return this.#write(out, "udp", refusals.get(rcodes.NOERROR) ?? refusedHead, cutBody);
  }

  #refuse(out: Uint8Array, transport: Transport, rcode: number): number {
    return this.#write(out, transport, refusals.get(rcode) ?? refusedHead, emptyBody);
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
    const signed = this.signed.ofChoice(entry.steered, names, choice, turn, this.#snapshot);
    return this.#writeSigned(signed, client, transport, out);
  }

  /** For a name that whoever asks has made up. */
  #answerOnDemand(entry: Entry, client: Client, transport: Transport, out: Uint8Array): number {
    if (entry.steered >= 0) return this.#answerSlowly(client, transport, out);
    const signed = this.signed.onDemand(this.query, transport, this.#snapshot);
    if (!signed) return this.#refuseToSign(transport, out);
    return this.#write(out, transport, signed.head, signed.body);
  }

  #writeSigned(signed: SignedAnswer | undefined, client: Client, transport: Transport, out: Uint8Array): number {
    if (!signed) return this.#answerSlowly(client, transport, out);
    return this.#write(out, transport, signed.head, signed.body);
  }

  /** Whoever can show where it is, by asking over TCP, comes first. */
  #refuseToSign(transport: Transport, out: Uint8Array): number {
    if (transport === "udp") return this.#write(out, transport, limitedOverUdp, cutBody);
    return this.#write(out, transport, limitedOverTcp, emptyBody);
  }

  /** With the reasons, for what is traced or rare. */
  #answerSlowly(client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    const { name, type, dnssecOk, compactOk } = query;
    const question = { name, type, class: query.class };
    const asker = { client: client.address, subnet: query.subnetAt > 0 ? { address: query.subnet } : undefined };
    const decision = decide(question, asker, this.snapshot);
    this.decision = decision;
    this.#scope = decision.scopePrefix;
    const secured = secure(decision, question, { dnssecOk, compactOk, transport }, this.#snapshot);
    if (secured.isLimited) {
      this.decision = { ...decision, reason: "LIMIT_REACHED", rule: "signing on demand", answers: [], authority: [] };
      return this.#refuseToSign(transport, out);
    }
    const { authoritative } = decision;
    const extendedError = extendedErrorOf(decision, query.class);
    const head = { rcode: rcodes[secured.rcode], authoritative, extendedError, compactOk: secured.compactOk };
    return this.#write(out, transport, head, compileBody(name, secured));
  }

  /** Whole record sets are left out until the rest fits. */
  #write(out: Uint8Array, transport: Transport, head: ReplyHead, whole: Body): number {
    const { query, reception } = this;
    const { identity } = this.snapshot;
    const bytesMax = transport === "udp" ? udpReplyBytesMax(query, udpBytesMax) : tcpBytesMax;
    const bodyMax = bytesMax - query.questionEnd - optBytes(query, head, identity, reception);
    let body = whole;
    while (body.requiredBytes > bodyMax && body.shorter) body = body.shorter;
    this.rcode = head.rcode;
    return writeReply(out, query, head, body, this.#scope, identity, body.bytes.length <= bodyMax, reception);
  }
}

/** What a node gives for a type. */
function entryOf(node: CompiledNode, type: number): Entry {
  return node.entries.get(type) ?? node.other;
}

/** @see RFC 8914 §4 */
function extendedErrorOf({ rcode, reason, rule }: Decision, class_: number): Uint8Array | undefined {
  if (reason === "STARTING") return notReady;
  if (reason === "NOT_OUR_ZONE") return notAuthoritative;
  if (reason !== "NOT_SERVED") return undefined;
  if (rcode === "FORMERR") return encodeExtendedError(extendedErrors.invalidType, rule);
  if (rcode === "NOTIMP") return encodeExtendedError(extendedErrors.notSupported, rule);
  const isKnown = class_ === classes.IN || class_ === classes.CH;
  return encodeExtendedError(isKnown ? extendedErrors.prohibited : extendedErrors.notSupported, rule);
}

/** Types that stand nowhere, but are not answered as if they were missing. */
function isRare(type: number): boolean {
  return type === types.NXNAME || isMeta(type) || isOfEveryName(type);
}
