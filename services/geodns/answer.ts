import type { AddressBytes } from "#shared/core/cidr.ts";
import { isSlow } from "./compiled/zones.ts";
import type { CompiledNode, Entry } from "./compiled/zones.ts";
import { decide, decideUnserved, outside } from "./decide.ts";
import type { Decision } from "./decide.ts";
import { isOfEveryName, secure } from "./dnssec/secure.ts";
import { SignedAnswers } from "./dnssec/signed-answers.ts";
import type { SignedAnswer } from "./dnssec/signed-answer.ts";
import { depthOf, valueOf } from "./geo-tree/tree.ts";
import type { Snapshot } from "./snapshot.ts";
import { TraceLimit } from "./trace-limit.ts";
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

const nobody: Client = { address: new Uint8Array(4) };
const nothing = new Uint8Array(0);

// What replies say that hold no records. One reply is written at a time, from heads that are made once.
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
 * string or closure, but for what is not compiled. It reads from top to bottom: `answer`, then its steps in their order. */
export class Answerer {
  #snapshot: Snapshot;
  readonly #terms: Terms;

  /** The query last answered, until the next. */
  readonly query = new Query();
  /** How its client was received. */
  readonly reception: Reception;
  /** How it was answered. */
  rcode = 0;
  /** It asked for its decision to be recorded, and that is to be done. */
  isTraced = false;
  /** Set before a query that is to be recorded for whoever looks on. */
  drawnId: string | undefined;
  /** Set where the answer was not taken from what is compiled: for who asked, and why. */
  decision: Decision | undefined;
  /** The answers to those who set DO. */
  readonly signed = new SignedAnswers();

  // Of the query that is being answered: every step needs them.
  #client: Client = nobody;
  #transport: Transport = "udp";
  #out: Uint8Array = nothing;
  /** Leading bits of the client's address that the answer depends on. */
  #scope = 0;
  /** The name that was asked stands there itself: no wildcard stands for it, and it is not missing. */
  #isExact = false;
  readonly #traces = new TraceLimit();

  constructor(snapshot: Snapshot, terms: Terms) {
    this.#snapshot = snapshot;
    this.#terms = terms;
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
   * Read strictly → receive the client → refuse what cannot be answered → find the name → pick by region → sign for those who
   * want it → copy within the client's limit.
   * @param out takes the reply from 0; as long as the largest message
   * @returns bytes of the reply; 0 for silence */
  answer(message: Uint8Array, client: Client, transport: Transport, out: Uint8Array): number {
    const { query } = this;
    this.#client = client;
    this.#transport = transport;
    this.#out = out;
    this.#scope = 0;
    this.isTraced = false;
    this.decision = undefined;

    const verdict = query.read(message);
    if (verdict === "silence") return 0;
    const refusal = this.reception.receive(query, client, transport);
    if (verdict === "refused") return this.#refuse(query.rcode);
    if (refusal >= 0) return this.#refuse(refusal);
    if (verdict === "cookieOnly") return this.#refuse(rcodes.NOERROR); // the cookie goes out with the OPT
    this.isTraced = (query.isTraced && this.#traces.take(this.#terms.nowSeconds())) || this.drawnId !== undefined;
    if (this.isTraced) return this.#decideAnew();
    const unserved = unservedHead(query.type, query.class);
    if (unserved) return this.#write(unserved, emptyBody);
    if (query.class !== classes.IN || isOfEveryName(query.type)) return this.#decideAnew();

    const entry = this.#find();
    if (!entry) return this.#write(outsideHead, emptyBody);
    if (entry.steered === isSlow) return this.#decideAnew();
    const signs = query.dnssecOk && entry.needsSigning;
    if (signs && !this.#isExact && entry.cut === undefined) return this.#answerMadeUp(entry);
    if (entry.steered >= 0) return this.#answerSteered(entry, signs);
    if (!signs) return this.#write(entry, entry.body);
    return this.#writeSigned(this.signed.ofEntry(entry, query, this.#snapshot));
  }

  /** Another reply to the query last answered, where too much is answered to its network: a short one that makes a real client prove where
   * it is, by a cookie if it knows them, else over TCP.
   * @returns bytes of the reply */
  answerCut(out: Uint8Array): number {
    this.#out = out;
    this.#scope = 0;
    if (this.reception.knowsCookies) return this.#refuse(rcodes.BADCOOKIE);
    return this.#write(refusals.get(rcodes.NOERROR) ?? refusedHead, cutBody);
  }

  #refuse(rcode: number): number {
    return this.#write(refusals.get(rcode) ?? refusedHead, emptyBody);
  }

  /** What is compiled for the name and type that were asked; undefined outside every dnsZone. */
  #find(): Entry | undefined {
    const { query } = this;
    const { table } = this.#snapshot.compiled.zones;
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

  /** Client → leaf of the prefix tree → choice of regions → the order of addresses whose turn it is. */
  #answerSteered(entry: Entry, signs: boolean): number {
    const names = this.#snapshot.compiled.steered[entry.steered];
    // SERVFAIL makes a resolver ask the twin at once. Silence would cost it a time-out, and a guess would send clients to
    // a region that may be down, for as long as the TTL lasts.
    if (!names?.answers.view.ready) return this.#write(startingHead, emptyBody);
    const leaf = this.#leafOfClient();
    const choice = names.answers.choiceOf[valueOf(leaf)] ?? 0;
    const ofChoice = names.byChoice[choice];
    const turn = ofChoice?.turns.take() ?? 0;
    const body = ofChoice?.bodies[turn];
    if (!ofChoice || !body) return this.#decideAnew();
    ofChoice.choice.answered++;
    // Who hides the address is answered by where the resolver is: that holds for all who ask through it.
    if (this.query.subnetBytes > 0) this.#scope = depthOf(leaf);
    if (!signs) return this.#write(entry, body);
    return this.#writeSigned(this.signed.ofChoice(entry.steered, names, choice, turn, this.#snapshot));
  }

  /** By the subnet that the query tells, else by its source. */
  #leafOfClient(): number {
    const { tree } = this.#snapshot.compiled;
    const { subnetBytes, subnetAddress } = this.query;
    if (subnetBytes === 4) return tree.findIpv4(subnetAddress, 0);
    if (subnetBytes === 16) return tree.findIpv6(subnetAddress, 0);
    return tree.find(this.#client.address);
  }

  #writeSigned(signed: SignedAnswer | undefined): number {
    if (!signed) return this.#decideAnew();
    return this.#write(this.query.compactOk ? signed.compactHead : signed.head, signed.body);
  }

  /** Signed for a name that whoever asks has made up: it is not there, or a wildcard stands for it. */
  #answerMadeUp(entry: Entry): number {
    if (entry.steered >= 0) return this.#decideAnew();
    const signed = this.signed.onDemand(this.query, this.#transport, this.#snapshot);
    return signed ? this.#writeSigned(signed) : this.#refuseToSign();
  }

  /** Whoever can show where it is, by asking over TCP, comes first. */
  #refuseToSign(): number {
    if (this.#transport === "udp") return this.#write(limitedOverUdp, cutBody);
    return this.#write(limitedOverTcp, emptyBody);
  }

  /** By the rules themselves, with the reasons, for what is traced, rare or not compiled. */
  #decideAnew(): number {
    const { query } = this;
    const { name, type, dnssecOk, compactOk } = query;
    const question = { name, type, class: query.class };
    const subnet = query.subnetAt > 0 ? { address: query.subnet } : undefined;
    const decision = decide(question, { client: this.#client.address, subnet }, this.#snapshot);
    this.decision = decision;
    this.#scope = decision.scopePrefix;
    const asked = { dnssecOk, compactOk, transport: this.#transport };
    const secured = secure(decision, question, asked, this.#snapshot);
    if (secured.isLimited) {
      this.decision = { ...decision, reason: "LIMIT_REACHED", rule: "signing on demand", answers: [], authority: [] };
      return this.#refuseToSign();
    }
    const { authoritative } = decision;
    const extendedError = extendedErrorOf(decision, query.class);
    const head = { rcode: rcodes[secured.rcode], authoritative, extendedError, compactOk: secured.compactOk };
    return this.#write(head, compileBody(name, secured));
  }

  /** The end of every way: whole record sets are left out until the rest fits, and the bytes are written. */
  #write(head: ReplyHead, whole: Body): number {
    const { query, reception } = this;
    const { identity } = this.#snapshot;
    const bytesMax = this.#transport === "udp" ? udpReplyBytesMax(query, udpBytesMax) : tcpBytesMax;
    const bodyMax = bytesMax - query.questionEnd - optBytes(query, head, identity, reception);
    let body = whole;
    while (body.requiredBytes > bodyMax && body.shorter) body = body.shorter;
    this.rcode = head.rcode;
    const withAdditional = body.bytes.length <= bodyMax;
    return writeReply(this.#out, query, head, body, this.#scope, identity, withAdditional, reception);
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

const metaTypes = [types.OPT, types.NXNAME, types.TKEY, types.TSIG, types.IXFR, types.AXFR, types.MAILB, types.MAILA];
const metaHeads = new Map<number, ReplyHead | undefined>(
  metaTypes.map((type) => [type, headOfUnserved(type, classes.IN)] as const),
);
const otherClassHead = headOfUnserved(types.A, 0);
const otherChaosHead = headOfUnserved(types.A, classes.CH);

/** Of the reply to what no name has. */
function unservedHead(type: number, class_: number): ReplyHead | undefined {
  if (class_ === classes.IN) return type === types.NXNAME || isMeta(type) ? metaHeads.get(type) : undefined;
  if (class_ !== classes.CH) return otherClassHead;
  return type === types.TXT ? undefined : otherChaosHead;
}

function headOfUnserved(type: number, class_: number): ReplyHead | undefined {
  const decision = decideUnserved(type, class_);
  if (!decision) return undefined;
  const extendedError = extendedErrorOf(decision, class_);
  return { rcode: rcodes[decision.rcode], authoritative: false, extendedError };
}
