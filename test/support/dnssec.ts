import { FakeClock } from "./fake-clock.ts";
import type { ReadRecord, ReadReply } from "./dns.ts";
import { seededRandom } from "#shared/core/random.ts";
import { canonicalOrder, canonicalRecords } from "#geodns/dnssec/canonical.ts";
import { generateScalar, isSignedBy, keyOf } from "#geodns/dnssec/key.ts";
import type { ZoneKey } from "#geodns/dnssec/key.ts";
import { keyFlags } from "#geodns/dnssec/rdata.ts";
import { SignatureCache, SigningBudget } from "#geodns/dnssec/signature-cache.ts";
import { ZoneSigner } from "#geodns/dnssec/signer.ts";
import type { Signers } from "#geodns/dnssec/signing.ts";
import { parseName } from "#geodns/wire/name.ts";

/** When these signers sign, seconds since 1970; what they sign is good for a day. */
export const signedAtSeconds = 1_795_634_321;
const always = { publish: 0, activate: 0, inactive: undefined, delete: undefined };

/** What signs stream.test with a new key.
 * @param perSecond signatures on demand; the clock stands still
 * @param onSigned is told of every signature that is made or refused */
export function signersOf(
  perSecond = 1_000,
  onSigned: (result: "made" | "refused") => void = () => {},
): { signers: Signers; key: ZoneKey } {
  const apex = parseName("stream.test.", "") ?? "";
  const key = keyOf(apex, keyFlags.entryPoint, generateScalar(), always);
  const signer = new ZoneSigner(apex, [key], 86_400, {
    now: () => signedAtSeconds,
    random: seededRandom(1),
    lasting: new SignatureCache(1_000),
    passing: new SignatureCache(1_000),
    budget: new SigningBudget(new FakeClock(), perSecond),
    onSigned,
  });
  return { key, signers: new Map([[apex, signer]]) };
}

/** Record sets of a reply, as "name type", with what is wrong with their signature. */
export function unsignedOf({ answers, authority }: ReadReply, { dnskey }: ZoneKey): string[] {
  return [answers, authority].flatMap((section) => {
    const sets = Map.groupBy(section, ({ name, type }) => `${name} ${type}`);
    return [...sets].flatMap(([label, set]) => {
      if (set[0]?.type === 46) return [];
      const rrsig = section.find(
        ({ name, type, data }) => type === 46 && name === set[0]?.name && covers(data, set[0]),
      );
      if (!rrsig) return [`${label}: no signature`];
      return isSigned(dnskey, set, rrsig.data) ? [] : [`${label}: wrong signature`];
    });
  });
}

const covers = (rrsig: Buffer, record: ReadRecord) => rrsig.readUInt16BE(0) === record.type;

function isSigned(dnskey: Uint8Array, set: readonly ReadRecord[], rrsig: Buffer): boolean {
  const [{ name, type, ttl }] = set as [ReadRecord];
  const data = set.map(({ plain }) => plain);
  const records = canonicalRecords(parseName(name, "") ?? "", { type, class: 1, ttl }, canonicalOrder(type, data));
  const end = rrsig.length - 64;
  return isSignedBy(dnskey, Buffer.concat([rrsig.subarray(0, end), records]), rrsig.subarray(end));
}
