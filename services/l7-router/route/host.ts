/** The parts of an authority: "Example.org.:8080" → example.org, 8080. */
export interface Authority {
  /** Lower case, without a trailing dot; IPv6 in brackets. */
  readonly host: string;
  readonly port: number | undefined;
}

const form = /^(\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}){1,255})(?::(\d{0,5}))?$/;

/** Reads the value of Host, or the authority of an absolute target; user information is refused.
 * @returns undefined if it is none
 * @see RFC 9110 §7.2, RFC 3986 §3.2 */
export function parseAuthority(text: string): Authority | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const port = match[2] ? Number(match[2]) : undefined;
  if (port !== undefined && port > 65_535) return undefined;
  const host = (match[1] ?? "").toLowerCase();
  return { host: host.length > 1 && host.endsWith(".") ? host.slice(0, -1) : host, port };
}
