import type { L7RouterConfig, ListenerConfig } from "#shared/config/schema/l7-router.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { Certificates, readCertificates } from "#shared/net/certificates.ts";
import type { CertificateTexts, ReadCertificates } from "#shared/net/certificates.ts";
import { makeDemoCertificate } from "#shared/net/demo-certificate.ts";
import type { Host } from "#shared/server/service.ts";
import { watchFile } from "#shared/server/watch.ts";
import type { AccessList } from "./access/access-list.ts";
import { ReadDenyFiles } from "./access/deny-files.ts";
import type { ListenerTls } from "./listener/tls.ts";
import type { Entrance } from "./entrance.ts";

/** By the address of their listener: read and checked, not in use yet. */
export type PreparedEntrances = ReadonlyMap<string, PreparedEntrance>;

interface PreparedEntrance {
  readonly entrance: Entrance;
  readonly read: ReadCertificates | undefined;
  readonly h2c: boolean;
}

const noLists = new ReadDenyFiles({ listeners: [], routes: [] });

const plain: Entrance = {
  tls: undefined,
  hsts: undefined,
  redirectPort: undefined,
  access: undefined,
  closesOnDenied: false,
};

/** The listeners' side of the config, and the certificates that they show. */
export class Entrances {
  readonly #host: Host;
  #config: L7RouterConfig;
  #entrances = new Map<string, Entrance>();
  #watched: readonly { close(): void }[] = [];
  /** By the names that they are for: made once in the life of the process. */
  readonly #demos = new Map<string, CertificateTexts>();

  constructor(config: L7RouterConfig, host: Host) {
    this.#config = config;
    this.#host = host;
  }

  of(address: string): Entrance {
    return this.#entrances.get(address) ?? plain;
  }

  /** Reads what is new; nothing changes yet.
   * @throws {UsageError} for what the operator must mend */
  async prepare(config: L7RouterConfig, lists: ReadDenyFiles): Promise<PreparedEntrances> {
    const prepared = new Map<string, PreparedEntrance>();
    for (const listener of config.listeners) {
      const { address, h2c } = listener;
      const former = this.#entrances.get(address);
      checkUnchanged(listener, former);
      const read = await this.#read(listener, config);
      prepared.set(address, {
        read,
        h2c,
        entrance: entranceOf(listener, read, former, this.#host.seed, lists.listOf(listener)),
      });
    }
    return prepared;
  }

  /** From the next handshake and the next request on. Connections that are open stay. */
  use(config: L7RouterConfig, prepared: PreparedEntrances): void {
    this.#config = config;
    this.#entrances = new Map(Array.from(prepared, ([address, { entrance }]) => [address, entrance]));
    replaceAll(prepared);
    this.close();
    this.#watched = filesOf(config).map((file) => watchFile(file, () => void this.#readAgain()));
  }

  /** For status, by address. */
  status(address: string): Record<string, unknown> {
    const { tls, hsts, redirectPort } = this.of(address);
    if (!tls) return redirectPort === undefined ? {} : { redirectToHttps: redirectPort };
    const { certificates, clientCertificates, http2 } = tls;
    return { tls: { certificates: certificates.status(), clientCertificates, http2, hsts: hsts ?? null } };
  }

  close(): void {
    for (const watcher of this.#watched) watcher.close();
    this.#watched = [];
  }

  async #read({ address, tls }: ListenerConfig, config: L7RouterConfig): Promise<ReadCertificates | undefined> {
    if (!tls) return undefined;
    const rules = { minVersion: tls.minVersion, clientCa: tls.clientCertificates?.ca };
    if (tls.certificates) return readCertificates(tls.certificates, rules);
    const names = tls.demoNames ?? namesOf(config);
    return readCertificates([await this.#demoFor(names, address)], rules);
  }

  async #demoFor(names: readonly string[], address: string): Promise<CertificateTexts> {
    const key = names.join(" ");
    const known = this.#demos.get(key);
    if (known) return known;
    const made = await makeDemoCertificate(names, Date.now());
    this.#demos.set(key, made);
    this.#host.log.warn({ address, names }, "demo_certificate");
    return made;
  }

  /** A file has changed. What cannot be read leaves everything as it is. */
  async #readAgain(): Promise<void> {
    const config = this.#config;
    try {
      const prepared = await this.prepare(config, noLists); // Only the certificates are taken of it.
      if (this.#config !== config) return; // A reload came in between, and has read them too.
      replaceAll(prepared);
      this.#host.log.info({}, "certificates_reloaded");
    } catch (error) {
      this.#host.log.error({ error: messageOf(error) }, "certificates_refused");
    }
  }
}

function replaceAll(prepared: PreparedEntrances): void {
  for (const { entrance, read } of prepared.values()) if (read) entrance.tls?.certificates.replace(read);
}

/** A listener's sockets are made with these.
 * @throws {UsageError} if they have changed */
function checkUnchanged({ address, tls }: ListenerConfig, former: Entrance | undefined): void {
  if (!former) return;
  if ((former.tls === undefined) !== (tls === undefined))
    throw new UsageError(`listeners: tls of ${address} changes only by a restart`);
  if (tls && former.tls?.clientCertificates !== wishOf(tls.clientCertificates))
    throw new UsageError(`listeners: clientCertificates of ${address} change only by a restart`);
  if (tls && former.tls?.http2 !== tls.http2)
    throw new UsageError(`listeners: http2 of ${address} changes only by a restart`);
}

function entranceOf(
  { tls, redirectToHttps, onDenied }: ListenerConfig,
  read: ReadCertificates | undefined,
  former: Entrance | undefined,
  seed: Uint8Array,
  access: AccessList | undefined,
): Entrance {
  const closesOnDenied = onDenied === "close";
  if (!tls || !read) return { tls: undefined, hsts: undefined, redirectPort: redirectToHttps, access, closesOnDenied };
  const certificates = former?.tls?.certificates ?? new Certificates(read, seed);
  return {
    tls: { certificates, clientCertificates: wishOf(tls.clientCertificates), http2: tls.http2 },
    hsts: tls.hsts && hstsOf(tls.hsts),
    redirectPort: undefined,
    access,
    closesOnDenied,
  };
}

type TlsConfig = NonNullable<ListenerConfig["tls"]>;

function wishOf(clientCertificates: TlsConfig["clientCertificates"]): ListenerTls["clientCertificates"] {
  if (!clientCertificates) return "none";
  return clientCertificates.required ? "required" : "optional";
}

/** @see RFC 6797 §6.1 */
function hstsOf({ maxAge, includeSubDomains, preload }: NonNullable<TlsConfig["hsts"]>): string {
  const seconds = Math.floor(maxAge / 1_000);
  return `max-age=${seconds}${includeSubDomains ? "; includeSubDomains" : ""}${preload ? "; preload" : ""}`;
}

/** The hosts of the routes: what a demo certificate is for. */
function namesOf({ routes }: L7RouterConfig): string[] {
  return Array.from(new Set(["localhost", ...routes.flatMap(({ match }) => match.host ?? [])]));
}

function filesOf({ listeners }: L7RouterConfig): string[] {
  const files = listeners.flatMap(({ tls }) => [
    ...(tls?.certificates ?? []).flatMap(({ cert, key }) => [cert, key]),
    ...(tls?.clientCertificates ? [tls.clientCertificates.ca] : []),
  ]);
  return Array.from(new Set(files));
}
