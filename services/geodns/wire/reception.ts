import type { Client, Transport } from "../answer.ts";
import { rcodes } from "./codes.ts";
import { checkCookie, cookieOptionBytes, cookieVerdicts, writeCookieOption } from "./cookie.ts";
import type { CookieSecrets, CookieVerdict } from "./cookie.ts";
import { keepaliveOptionBytes, writeKeepaliveOption } from "./options.ts";
import type { Query } from "./query.ts";

/** On which terms clients are received. */
export interface Terms {
  /** False: COOKIE options mean nothing. */
  readonly hasCookies: boolean;
  /** Over UDP a client that knows cookies is answered only with a good one. */
  readonly requiresCookies: boolean;
  /** How long an idle connection stays. */
  readonly idleMs: number;
  /** Since 1970, whole. */
  nowSeconds(): number;
  secretsAt(nowSeconds: number): CookieSecrets;
}

const noAddress = new Uint8Array(4);
const noSecrets: CookieSecrets = new Uint32Array(4);

/** How the client of one query is received, whatever it asks: what its cookie shows, and which options that depend on transport and
 * client it gets. One object serves every query and allocates nothing. */
export class Reception {
  readonly #terms: Terms;
  /** Of its COOKIE option; undefined: it has none, or it means nothing. */
  #cookie: CookieVerdict | undefined;
  #hasKeepalive = false;
  /** The reply is filled up to whole blocks. */
  pads = false;
  #address: Uint8Array = noAddress;
  #nowSeconds = 0;
  #secrets: CookieSecrets = noSecrets;

  constructor(terms: Terms) {
    this.#terms = terms;
  }

  /** Looks at cookie, keepalive and padding.
   * @returns the code with which the query is refused, or -1 */
  receive(query: Query, client: Client, transport: Transport): number {
    this.#cookie = undefined;
    this.#hasKeepalive = false;
    this.pads = query.isPadded && (transport === "tls" || transport === "https");
    let refusal = -1;
    if (query.cookieAt > 0) refusal = this.#receiveCookie(query, client, transport);
    // Over UDP the option means nothing; over HTTPS the connection is HTTP's (RFC 7828 §3.2.1, RFC 8484 §10).
    if (query.keepaliveAt > 0 && (transport === "tcp" || transport === "tls")) {
      this.#hasKeepalive = true;
      if (query.keepaliveLength > 0) refusal = rcodes.FORMERR; // a time-out is the server's to tell
    }
    if (refusal === rcodes.FORMERR) query.refuseAsMalformed();
    return refusal;
  }

  /** The client has sent a cookie of ours: it is where it says. */
  get isProven(): boolean {
    return this.#cookie === cookieVerdicts.stale || this.#cookie === cookieVerdicts.fresh;
  }

  get knowsCookies(): boolean {
    return this.#cookie !== undefined && this.#cookie !== cookieVerdicts.malformed;
  }

  /** Of the options that `writeOptions` writes, and of the header of padding. */
  get optionBytes(): number {
    return (
      (this.knowsCookies ? cookieOptionBytes : 0) +
      (this.#hasKeepalive ? keepaliveOptionBytes : 0) +
      (this.pads ? 4 : 0)
    );
  }

  /** @returns the offset behind what was written */
  writeOptions(out: Uint8Array, at: number, { message, cookieAt }: Query): number {
    let end = at;
    if (this.#cookie !== undefined && this.#cookie !== cookieVerdicts.malformed)
      end = writeCookieOption(
        out,
        end,
        message,
        cookieAt,
        this.#cookie,
        this.#address,
        this.#nowSeconds,
        this.#secrets,
      );
    if (this.#hasKeepalive) end = writeKeepaliveOption(out, end, this.#terms.idleMs);
    return end;
  }

  /** @see RFC 7873 §5.2.2 to §5.2.4, §5.4 */
  #receiveCookie(query: Query, client: Client, transport: Transport): number {
    const terms = this.#terms;
    if (!terms.hasCookies) return query.hasQuestion ? -1 : rcodes.FORMERR;
    this.#address = client.address;
    this.#nowSeconds = terms.nowSeconds();
    this.#secrets = terms.secretsAt(this.#nowSeconds);
    const { message, cookieAt, cookieLength } = query;
    this.#cookie = checkCookie(message, cookieAt, cookieLength, this.#address, this.#nowSeconds, this.#secrets);
    if (this.#cookie === cookieVerdicts.malformed) return rcodes.FORMERR;
    if (this.isProven) return -1;
    if (!query.hasQuestion) return this.#cookie === cookieVerdicts.invalid ? rcodes.BADCOOKIE : -1;
    // A connection proves the address as well.
    return terms.requiresCookies && transport === "udp" ? rcodes.BADCOOKIE : -1;
  }
}
