import type { Question } from "../decide.ts";
import type { Snapshot } from "../snapshot.ts";
import { compileBody } from "../wire/body.ts";
import type { Body, BodyOptions } from "../wire/body.ts";
import { rcodes } from "../wire/codes.ts";
import type { ReplyHead } from "../wire/reply.ts";
import { secure } from "./secure.ts";
import type { Asked, Securable } from "./secure.ts";

/** An encoded answer with its signatures. */
export interface SignedAnswer {
  readonly head: ReplyHead;
  readonly body: Body;
  /** In which it was made. In the next one it is made anew, out of signatures that are kept until they are due. */
  readonly round: number;
}

/** Signs and encodes an answer that can be given again to everybody who asks the same without CO.
 * @returns undefined if it cannot be signed now: the limit of what is signed on demand is reached */
export function signAnswer(
  decision: Securable,
  question: Question,
  snapshot: Pick<Snapshot, "zones" | "signers" | "services">,
  round: number,
  transport: Asked["transport"] = "udp",
  options: BodyOptions = {},
): SignedAnswer | undefined {
  const asked = { dnssecOk: true, compactOk: false, transport };
  const { isLimited, rcode, authoritative, ...sections } = secure(decision, question, asked, snapshot);
  if (isLimited) return undefined;
  const body = compileBody(question.name, sections, options);
  return { head: { rcode: rcodes[rcode], authoritative }, body, round };
}
