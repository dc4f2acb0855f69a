import type { z } from "zod";

const nameCharactersMax = 254; // with the closing dot: 255 bytes in a message (RFC 1035 §3.1)

/** What of a dnsZone names something. */
interface NamedRecords {
  readonly NS?: readonly string[] | undefined;
  readonly CNAME?: string | undefined;
}

interface NamingZone {
  readonly soa?: { readonly primary: string; readonly contact: string } | undefined;
  readonly records: Readonly<Record<string, NamedRecords>>;
}

/** A name of the config in full, lowered, with its closing dot: equal names are equal strings.
 * @param dnsZone what a name without a closing dot is relative to; itself always in full */
export function absoluteName(text: string, dnsZone: string): string {
  const apex = dnsZone === "@" || dnsZone === "." ? "" : isAbsolute(dnsZone) ? dnsZone.slice(0, -1) : dnsZone;
  if (text === "@") return canonical(`${apex}.`);
  if (isAbsolute(text)) return canonical(text);
  return canonical(apex === "" ? `${text}.` : `${text}.${apex}.`);
}

/** Ends in a dot that is not escaped. */
function isAbsolute(text: string): boolean {
  return text.endsWith(".") && (/\\*(?=\.$)/.exec(text)?.[0].length ?? 0) % 2 === 0;
}

/** Each byte in one form: letters lowered, an escape only where it is needed, and then as two characters or more. */
function canonical(text: string): string {
  const plain = text.replaceAll(/\\(\d{3}|.)/g, (escape, escaped: string) => {
    const character = escaped.length === 3 ? String.fromCharCode(Number(escaped)) : escaped;
    if (character === "." || character === "\\") return `\\${character}`;
    return /[!-~]/.test(character) ? character : escape;
  });
  return plain.toLowerCase();
}

/** Bytes of a name in full as they stand in a message, but for the root label. */
function bytesOf(name: string): number {
  return name.replaceAll(/\\(\d{3}|.)/g, "x").length;
}

/** Every dnsZone and every name in it stands once, fits a message, and is at or below its dnsZone. */
export function checkNames(context: z.core.$RefinementCtx, dnsZones: Readonly<Record<string, NamingZone>>): void {
  const issue = (path: PropertyKey[], message: string) => context.addIssue({ code: "custom", path, message });
  const fits = (text: string, dnsZone: string, path: PropertyKey[]) => {
    const length = bytesOf(absoluteName(text, dnsZone));
    if (length > nameCharactersMax) issue(path, "is longer than a domain name may be: 255 bytes (RFC 1035 §3.1)");
  };
  const apexes = new Set<string>();
  for (const [dnsZone, { soa, records }] of Object.entries(dnsZones)) {
    const apex = absoluteName("@", dnsZone);
    if (apexes.has(apex)) issue(["dnsZones", dnsZone], `${apex} is listed twice`);
    apexes.add(apex);
    for (const key of ["primary", "contact"] as const)
      if (soa) fits(soa[key], dnsZone, ["dnsZones", dnsZone, "soa", key]);
    const owners = new Set<string>();
    for (const [owner, { NS = [], CNAME }] of Object.entries(records)) {
      const path = ["dnsZones", dnsZone, "records", owner];
      const name = absoluteName(owner, dnsZone);
      if (name !== apex && apex !== "." && !name.endsWith(`.${apex}`))
        issue(path, `${name} is outside the dnsZone; without the closing dot it is below it`);
      if (owners.has(name)) issue(path, `${name} is listed twice`);
      owners.add(name);
      fits(owner, dnsZone, path);
      for (const [i, server] of NS.entries()) fits(server, dnsZone, [...path, "NS", i]);
      if (CNAME !== undefined) fits(CNAME, dnsZone, [...path, "CNAME"]);
    }
  }
}
