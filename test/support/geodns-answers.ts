import { Answerer } from "#geodns/answer.ts";
import type { Transport } from "#geodns/answer.ts";
import type { Snapshot } from "#geodns/snapshot.ts";
import type { CookieSecrets } from "#geodns/wire/cookie.ts";
import type { Terms } from "#geodns/wire/reception.ts";
import { parseAddress } from "#shared/core/cidr.ts";
import { queryBytes, readReply } from "./dns.ts";
import type { QueryOptions, ReadReply } from "./dns.ts";
import { snapshotOf } from "./geodns-snapshot.ts";

/** Asks one question; undefined is silence. */
export function ask(
  options: QueryOptions,
  {
    client = "127.49.0.7",
    transport = "udp",
    snapshot = snapshotOf(),
  }: { client?: string; transport?: Transport; snapshot?: Snapshot } = {},
) {
  return answer(queryBytes(options), client, transport, snapshot);
}

/** Terms of a server whose clock stands still.
 * @param secrets none: cookies mean nothing */
export function termsOf({ secrets, requires = false, nowSeconds = 1_700_000_000, idleMs = 10_000 }: TermsOptions = {}) {
  return {
    hasCookies: secrets !== undefined,
    requiresCookies: requires,
    idleMs,
    nowSeconds: () => nowSeconds,
    secretsAt: () => secrets ?? new Uint32Array(4),
  } satisfies Terms;
}

interface TermsOptions {
  readonly secrets?: CookieSecrets;
  readonly requires?: boolean;
  readonly nowSeconds?: number;
  readonly idleMs?: number;
}

const out = Buffer.alloc(65_535);

/** Answers one message. */
export function answer(message: Uint8Array, client: string, transport: Transport, snapshot: Snapshot) {
  const bytes = answerBytes(message, client, transport, snapshot);
  return bytes && readReply(bytes);
}

/** The bytes of an answer; undefined is silence. */
export function answerBytes(
  message: Uint8Array,
  client: string,
  transport: Transport,
  snapshot: Snapshot,
  terms: Terms = termsOf(),
): Buffer | undefined {
  const answerer = new Answerer(snapshot, terms);
  const length = answerer.answer(message, { address: parseAddress(client)! }, transport, out);
  return length === 0 ? undefined : Buffer.from(out.subarray(0, length));
}

/** IPv4 addresses in the order of the reply. */
export const addressesOf = (reply: ReadReply | undefined) =>
  reply?.answers.filter(({ type }) => type === 1).map(({ text }) => text);
