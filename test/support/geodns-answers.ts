import { Answerer } from "#geodns/answer.ts";
import type { Transport } from "#geodns/answer.ts";
import type { Snapshot } from "#geodns/snapshot.ts";
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

const out = Buffer.alloc(65_535);

/** Answers one message. */
export function answer(message: Uint8Array, client: string, transport: Transport, snapshot: Snapshot) {
  const length = new Answerer(snapshot).answer(message, { address: parseAddress(client)! }, transport, out);
  return length === 0 ? undefined : readReply(Buffer.from(out.subarray(0, length)));
}
/** IPv4 addresses in the order of the reply. */
export const addressesOf = (reply: ReadReply | undefined) =>
  reply?.answers.filter(({ type }) => type === 1).map(({ text }) => text);
