import { ConfigError, unmet } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import { locateIn } from "#shared/config/origin.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { messageOf } from "#shared/core/error.ts";
import { CertificateError, Certificates, readCertificates } from "#shared/net/certificates.ts";
import type { ReadCertificates } from "#shared/net/certificates.ts";
import type { Host } from "#shared/server/service.ts";
import { watchFile } from "#shared/server/watch.ts";
import { ConnectionTable } from "./connections.ts";
import { listenHttps } from "./listener-https.ts";
import { listenTls } from "./listener-tls.ts";
import { listen, listenAll } from "./listeners.ts";
import type { Listener } from "./listeners.ts";
import type { AnswerMessage } from "./stream.ts";

export type EntrancesConfig = Pick<GeodnsConfig, "listen" | "tcp" | "tls" | "https">;

export interface EntrancesOptions {
  readonly host: Host;
  readonly answer: AnswerMessage;
  /** A datagram gets no reply: it could not be sent, or must not be. */
  readonly onDropped: () => void;
}

const encrypted = ["tls", "https"] as const;
type Encrypted = (typeof encrypted)[number];
type Kind = "dns" | Encrypted;

/** What a config becomes, once its files are read and its new addresses are bound. */
export interface EntrancesParts {
  readonly config: EntrancesConfig;
  readonly certificates: ReadonlyMap<Encrypted, ReadCertificates>;
  readonly added: ReadonlyMap<string, Listener>;
}

/** Every address that the server is reached at, over UDP, TCP, TLS and HTTPS, and the connections that came by them. */
export class Entrances {
  readonly #options: EntrancesOptions;
  readonly #connections: ConnectionTable;
  readonly #certificates = new Map<Encrypted, Certificates>();
  /** By kind and the address in the config. */
  #listeners = new Map<string, Listener>();
  #config: EntrancesConfig;
  #watched: readonly { close(): void }[] = [];

  /** Nothing is open yet. */
  constructor(config: EntrancesConfig, options: EntrancesOptions) {
    this.#config = config;
    this.#options = options;
    const { clock, metrics } = options.host;
    this.#connections = new ConnectionTable({
      limits: config.tcp,
      clock,
      onClosed: (reason) => metrics.count("watershed_dns_connections_closed_total", { reason }),
    });
  }

  /** @throws {UsageError} for what the operator must mend; then nothing is left open */
  async open(): Promise<void> {
    this.use(await this.prepare(this.#config));
  }

  get connectionCount(): number {
    return this.#connections.count;
  }

  /** The real "address:port" of every listener of this kind, in the order of the config. */
  addresses(kind: Kind): readonly string[] {
    const ours = [...this.#listeners].filter(([key]) => key.startsWith(`${kind} `));
    return ours.map(([, { address }]) => address);
  }

  status(): Record<string, unknown> {
    const told = encrypted.flatMap((kind) => {
      const certificates = this.#certificates.get(kind);
      if (!certificates) return [];
      return [[kind, { listeners: this.addresses(kind), certificates: certificates.status() }] as const];
    });
    return { listeners: this.addresses("dns"), tcpConnections: this.connectionCount, ...Object.fromEntries(told) };
  }

  /** Reads and opens what is new; nothing changes yet.
   * @throws {UsageError} for what the operator must mend; then nothing new is left open */
  async prepare(config: EntrancesConfig): Promise<EntrancesParts> {
    const certificates = readAllCertificates(config);
    const newKeys = keysOf(config).filter((key) => !this.#listeners.has(key));
    try {
      return { config, certificates, added: await listenAll(newKeys, (key) => this.#open(key, certificates)) };
    } catch (error) {
      for (const kind of encrypted) if (this.addresses(kind).length === 0) this.#certificates.delete(kind);
      throw error;
    }
  }

  /** From now on these are the entrances; connections that are open stay. */
  use({ config, certificates, added }: EntrancesParts): void {
    this.#config = config;
    this.#connections.setLimits(config.tcp);
    this.#useCertificates(certificates);
    const former = this.#listeners;
    this.#listeners = new Map();
    for (const key of keysOf(config)) {
      const listener = added.get(key) ?? former.get(key);
      if (listener) this.#listeners.set(key, listener);
      former.delete(key);
    }
    void closeAll([...former.values()]);
    for (const watcher of this.#watched) watcher.close();
    this.#watched = filesOf(config).map((file) => watchFile(file, () => this.#readAgain()));
  }

  /** Closes the listeners; resolves when no connection is left. */
  async finish(): Promise<void> {
    await closeAll([...this.#listeners.values()]);
    await this.#connections.finish();
  }

  async close(): Promise<void> {
    for (const watcher of this.#watched) watcher.close();
    this.#connections.close();
    await closeAll([...this.#listeners.values()]);
  }

  #open(key: string, read: EntrancesParts["certificates"]): Promise<Listener> {
    const [kind, address] = key.split(" ") as [Kind, string];
    const { host, answer, onDropped } = this.#options;
    const { sharing } = host;
    const connections = this.#connections;
    if (kind === "dns") return listen(address, { connections, answer, sharing, onDropped });
    const options = { address, certificates: this.#certificatesOf(kind, read), connections, answer, sharing };
    if (kind === "tls") return listenTls(options);
    const onRefused = (status: number) => host.metrics.count("watershed_dns_https_refused_total", { status });
    return listenHttps({ ...options, clock: host.clock, path: () => this.#config.https?.path ?? "", onRefused });
  }

  /** Those that are in use, or the first of a kind. */
  #certificatesOf(kind: Encrypted, read: EntrancesParts["certificates"]): Certificates {
    const inUse = this.#certificates.get(kind);
    if (inUse) return inUse;
    const first = read.get(kind);
    if (!first) throw new Error(`assertion failed: the certificates of ${kind} were read`);
    const made = new Certificates(first, this.#options.host.seed);
    this.#certificates.set(kind, made);
    return made;
  }

  #useCertificates(read: EntrancesParts["certificates"]): void {
    for (const [kind, certificates] of read) this.#certificates.get(kind)?.replace(certificates);
    for (const kind of this.#certificates.keys()) if (!read.has(kind)) this.#certificates.delete(kind);
  }

  /** A file of a certificate or key has changed. While only one of a pair is new they do not fit: the old ones stay. */
  #readAgain(): void {
    const { log, events } = this.#options.host;
    try {
      this.#useCertificates(readAllCertificates(this.#config));
      events.emit("certificates_read", {});
      log.info("certificates_read");
    } catch (error) {
      events.emit("certificates_refused", { error: messageOf(error) });
      log.error({ error: messageOf(error) }, "certificates_refused");
    }
  }
}

function keysOf({ listen, tls, https }: EntrancesConfig): string[] {
  return [
    ...listen.map((address) => `dns ${address}`),
    ...(tls?.listen ?? []).map((address) => `tls ${address}`),
    ...(https?.listen ?? []).map((address) => `https ${address}`),
  ];
}

function filesOf(config: EntrancesConfig): readonly string[] {
  const pairs = encrypted.flatMap((kind) => config[kind]?.certificates ?? []);
  return [...new Set(pairs.flatMap(({ cert, key }) => [cert, key]))];
}

/** The certificates of every encrypted listener.
 * @throws {ConfigError} with everything that is wrong with any of them */
export function readAllCertificates(config: EntrancesConfig): Map<Encrypted, ReadCertificates> {
  const read = new Map<Encrypted, ReadCertificates>();
  const problems: Problem[] = [];
  for (const kind of encrypted) {
    const section = config[kind];
    try {
      if (section) read.set(kind, readCertificates(section.certificates, section));
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      const locate = locateIn(config);
      problems.push(...error.problems.map(({ path, ...parts }) => unmet(locate([kind, ...path]), parts)));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return read;
}

async function closeAll(listeners: readonly Listener[]): Promise<void> {
  await Promise.all(listeners.map((listener) => listener.close()));
}
