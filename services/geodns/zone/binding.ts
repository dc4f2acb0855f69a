import type { BindingConfig } from "#shared/config/schema/dns-zone.ts";
import type { RecordSet } from "../wire/body.ts";
import { toBytes } from "./rdata/bytes.ts";
import { formatData } from "./rdata/grammar.ts";
import { encodeParams, svcKeys } from "./rdata/svcb.ts";
import { bytesOfNumber } from "./rdata/words.ts";
import type { ByteString } from "./rdata/words.ts";

/** An HTTPS or SVCB record of a steered name, but for the hints: they are those of the region that is answered. */
export interface Binding {
  readonly priority: number;
  /** By key, without hints. */
  readonly params: ReadonlyMap<number, ByteString>;
  readonly hints: boolean;
}

export function bindingOf({ priority, alpn, defaultAlpn, port, ech, hints }: BindingConfig): Binding {
  const params = new Map<number, ByteString>();
  if (alpn) params.set(svcKeys.alpn, alpn.map((id) => String.fromCharCode(id.length) + id).join(""));
  if (!defaultAlpn) params.set(svcKeys["no-default-alpn"], "");
  if (port !== undefined) params.set(svcKeys.port, bytesOfNumber(port, 2));
  if (ech !== undefined) params.set(svcKeys.ech, Buffer.from(ech, "base64").toString("latin1"));
  return { priority, params, hints };
}

/** The record of a binding for the addresses of a region. Its target is the owner itself: that name has the A and AAAA.
 * @param type HTTPS or SVCB
 * @param ttl seconds
 * @param addresses RDATA of A (4 bytes) and AAAA (16 bytes), in the order of the hints
 * @see RFC 9460 §2.2, §7.3 */
export function bindingSet(
  type: number,
  { priority, params, hints }: Binding,
  ttl: number,
  addresses: readonly Uint8Array[],
): RecordSet {
  const all = new Map(params);
  for (const [key, byteCount] of [
    [svcKeys.ipv4hint, 4],
    [svcKeys.ipv6hint, 16],
  ] as const) {
    const fit = hints ? addresses.filter(({ length }) => length === byteCount) : [];
    if (fit.length > 0) all.set(key, fit.map((address) => String.fromCharCode(...address)).join(""));
  }
  const root = "\0";
  const data = toBytes(bytesOfNumber(priority, 2) + root + encodeParams(all));
  return { type, ttl, data: [data], texts: [formatData(type, data)] };
}
