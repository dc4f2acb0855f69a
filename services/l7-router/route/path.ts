/** A path in the one form that is matched and forwarded, or why there is none. */
export type NormalisedPath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly why: string };

const plain = /^(?:\/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*\/?$/; // no escape, no dot segment
const dotWithParameters = /^\.{1,2};/;
const unreserved = /^[A-Za-z0-9._~-]$/;

/** Normalises the path of a target: decodes escaped unreserved characters (`%2e` is a dot), then removes dot segments.
 * `//` and `;` stay. Doing it twice changes nothing.
 * @param raw begins with "/"; without query
 * @see RFC 3986 §5.2.4, §6.2.2.2 */
export function normalisePath(raw: string): NormalisedPath {
  if (plain.test(raw)) return { ok: true, path: raw };
  const decoded = decodeUnreserved(raw);
  if (!decoded.ok) return decoded;
  const kept: string[] = [];
  const segments = decoded.path.split("/");
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i] ?? "";
    const last = i === segments.length - 1;
    // Some servers read "..;x" as "..": what the router and the server would see differs.
    if (dotWithParameters.test(segment)) return { ok: false, why: "a dot segment with parameters" };
    if (segment === "..") {
      if (kept.length === 0) return { ok: false, why: "a path that climbs above the root" };
      kept.pop();
      if (last) kept.push("");
    } else if (segment === ".") {
      if (last) kept.push("");
    } else kept.push(segment);
  }
  return { ok: true, path: `/${kept.join("/")}` };
}

function decodeUnreserved(raw: string): NormalisedPath {
  if (raw.includes("\\")) return { ok: false, why: "a backslash in the path" };
  let path = "";
  for (let from = 0; ;) {
    const at = raw.indexOf("%", from);
    if (at < 0) return { ok: true, path: path + raw.slice(from) };
    const hex = raw.slice(at + 1, at + 3);
    if (!/^[0-9A-Fa-f]{2}$/.test(hex)) return { ok: false, why: "a broken %-escape in the path" };
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    if (character === "\0" || character === "/" || character === "\\") return { ok: false, why: `%${hex} in the path` };
    path += raw.slice(from, at) + (unreserved.test(character) ? character : `%${hex}`);
    from = at + 3;
  }
}

/** What `//` and `;` cannot hide: the path with runs of slashes as one and without parameters. For matching only. */
export function baredPath(path: string): string {
  if (!path.includes("//") && !path.includes(";")) return path;
  return path.replace(/;[^/]*/g, "").replace(/\/{2,}/g, "/");
}
