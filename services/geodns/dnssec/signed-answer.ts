import type { Question } from "../decide.ts";
import type { Snapshot } from "../snapshot.ts";
import { compileBody } from "../wire/body.ts";
import type { Body, BodyOptions } from "../wire/body.ts";
import { rcodes } from "../wire/codes.ts";
import type { ReplyHead } from "../wire/reply.ts";
import { timesOfRrsig } from "./rdata.ts";
import { secure } from "./secure.ts";
import type { Asked, Securable } from "./secure.ts";
import { renewalOf } from "./signer.ts";

/** An encoded answer with its signatures. */
export interface SignedAnswer {
  readonly head: ReplyHead;
  /** In place of it for those who set CO: they are told NXDOMAIN. @see RFC 9824 §5.1 */
  readonly compactHead: ReplyHead;
  readonly body: Body;
  /** From here to there its signatures are given out, seconds since 1970: then one of them is due. */
  readonly from: number;
  readonly until: number;
}

/** Signs and encodes an answer that can be given again to everybody who asks the same.
 * @returns undefined if it cannot be signed now: the limit of what is signed on demand is reached */
export function signAnswer(
  decision: Securable,
  question: Question,
  snapshot: Pick<Snapshot, "zones" | "signers" | "services">,
  transport: Asked["transport"] = "udp",
  options: BodyOptions = {},
): SignedAnswer | undefined {
  const asked = { dnssecOk: true, compactOk: false, transport };
  const { isLimited, rcode, authoritative, ...sections } = secure(decision, question, asked, snapshot);
  if (isLimited) return undefined;
  const body = compileBody(question.name, sections, options);
  const signatures = [sections.answers, sections.authority, sections.additional].flatMap((sets) =>
    sets.flatMap(({ rrsig }) => rrsig?.data ?? []).map(timesOfRrsig),
  );
  const from = Math.max(0, ...signatures.map(({ inception }) => inception));
  const until = Math.min(Infinity, ...signatures.map(renewalOf));
  const head = { rcode: rcodes[rcode], authoritative };
  // What only goes along may come from another dnsZone, which is signed.
  const isSigned = [...sections.answers, ...sections.authority].some(({ rrsig }) => rrsig);
  const compactHead = { rcode: rcodes[decision.rcode], authoritative, compactOk: isSigned };
  return { head, compactHead, body, from, until };
}

/** Whether it has to be made anew: a signature is due, or begins in the future, as after the wall clock was set back.
 * @param now seconds since 1970 */
export function isDue({ from, until }: SignedAnswer, now: number): boolean {
  return until <= now || from > now;
}
