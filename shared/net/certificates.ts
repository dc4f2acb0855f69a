import { X509Certificate, createPrivateKey, hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import tls from "node:tls";
import { UsageError, codeOf, messageOf } from "#shared/core/error.ts";

/** A certificate with its chain, and its private key: files in PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate with its chain, and its private key: in PEM. */
export interface CertificateTexts {
  /** What it is called in status. */
  readonly name: string;
  readonly cert: string;
  readonly key: string;
}

/** What all certificates of a listener have in common. */
export interface CertificateRules {
  readonly minVersion: TlsVersion;
  /** Who may have signed the certificates of clients: file in PEM. */
  readonly clientCa?: string | undefined;
}

/** What is known of a certificate, for status and explain. */
export interface CertificateStatus {
  readonly file: string;
  /** Of its subjectAltName, in small letters. */
  readonly names: readonly string[];
  /** ISO 8601. */
  readonly validTo: string;
}

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

const ticketKeysBytes = 48; // as node:tls wants them

interface Certificate extends CertificateStatus {
  readonly options: tls.SecureContextOptions;
  readonly context: tls.SecureContext;
}

/** Certificates that were read and checked, and nothing else yet. */
export type ReadCertificates = readonly [Certificate, ...Certificate[]];

/** Reads certificates and keys, and checks that each can be used.
 * @param sources files, or what was made without any
 * @throws {UsageError} with everything that is wrong, a line each, with the name of the file */
export function readCertificates(
  sources: readonly (CertificateFiles | CertificateTexts)[],
  rules: CertificateRules,
): ReadCertificates {
  const problems: string[] = [];
  const certificates: Certificate[] = [];
  const shared = sharedOptions(rules, problems);
  for (const source of sources) {
    const certificate = readCertificate(source, shared, problems);
    if (certificate) certificates.push(certificate);
  }
  const [first, ...rest] = certificates;
  if (problems.length > 0 || !first) throw new UsageError(problems.join("\n") || "no certificate is given");
  return [first, ...rest];
}

function sharedOptions({ minVersion, clientCa }: CertificateRules, problems: string[]): tls.SecureContextOptions {
  if (clientCa === undefined) return { minVersion };
  const ca = readText(clientCa, problems);
  if (ca === undefined) return { minVersion };
  attempt(() => new X509Certificate(ca), `${clientCa} holds no certificate in PEM`, problems);
  return { minVersion, ca };
}

/** The certificates of TLS listeners: for each client the one that has the name it asks for (SNI), else the first of them. They may be
 * replaced while the listeners go on; connections that are open keep what they have. */
export class Certificates {
  #certificates: ReadCertificates;
  #byName: ReadonlyMap<string, Certificate>;
  readonly #servers = new Set<tls.Server>();
  readonly #seed: Uint8Array;

  /** @param seed the same in all processes that share sockets: sessions of one are resumed at the others */
  constructor(certificates: ReadCertificates, seed: Uint8Array = randomBytes(ticketKeysBytes)) {
    this.#seed = seed;
    this.#certificates = certificates;
    this.#byName = indexByName(certificates);
  }

  /** What a TLS server needs to be created with. */
  get serverOptions(): Required<Pick<tls.TlsOptions, "SNICallback" | "ticketKeys">> & tls.SecureContextOptions {
    return {
      ...this.#certificates[0].options,
      ticketKeys: this.#ticketKeys(),
      SNICallback: (name, done) => done(null, this.find(name).context),
    };
  }

  status(): CertificateStatus[] {
    return this.#certificates.map(({ file, names, validTo }) => ({ file, names, validTo }));
  }

  /** The server takes every later change in, until it closes. */
  attach(server: tls.Server): void {
    this.#servers.add(server);
    server.once("close", () => this.#servers.delete(server));
  }

  /** From the next handshake on these are used. */
  replace(certificates: ReadCertificates): void {
    this.#certificates = certificates;
    this.#byName = indexByName(certificates);
    const options: tls.TlsOptions = { ...certificates[0].options, ticketKeys: this.#ticketKeys() };
    for (const server of this.#servers) server.setSecureContext(options);
  }

  /** The same while the same clients are trusted, so that they resume their sessions: a resumed session is not verified again. */
  #ticketKeys(): Buffer {
    const { ca = "" } = this.#certificates[0].options;
    return Buffer.from(hkdfSync("sha256", this.#seed, "", `tickets ${String(ca)}`, ticketKeysBytes));
  }

  /** @param serverName as the client sent it; a wildcard stands for one label (RFC 9525 §6.3) */
  find(serverName: string): CertificateStatus & { readonly context: tls.SecureContext } {
    const name = serverName.toLowerCase();
    return this.#byName.get(name) ?? this.#byName.get(name.replace(/^[^.]*/, "*")) ?? this.#certificates[0];
  }
}

/** The first certificate that has a name serves it. */
function indexByName(certificates: ReadCertificates): Map<string, Certificate> {
  const byName = new Map<string, Certificate>();
  for (const certificate of certificates)
    for (const name of certificate.names) if (!byName.has(name)) byName.set(name, certificate);
  return byName;
}

function readCertificate(
  source: CertificateFiles | CertificateTexts,
  shared: tls.SecureContextOptions,
  problems: string[],
): Certificate | undefined {
  const texts = "name" in source ? source : undefined;
  const [certName, keyName] = texts ? [texts.name, texts.name] : [source.cert, source.key];
  const cert = texts ? texts.cert : readText(certName, problems);
  const key = texts ? texts.key : readText(keyName, problems);
  if (cert === undefined || key === undefined) return undefined;
  const leaf = attempt(() => new X509Certificate(cert), `${certName} holds no certificate in PEM`, problems);
  const privateKey = attempt(() => createPrivateKey(key), `${keyName} holds no private key in PEM`, problems);
  if (!leaf || !privateKey) return undefined;
  if (!leaf.checkPrivateKey(privateKey))
    return void problems.push(`${keyName} is not the key of the certificate in ${certName}`);
  const options = { ...shared, cert, key };
  const refusal = `${certName} cannot be used`;
  const context = attempt(() => tls.createSecureContext(options), refusal, problems); // such as a chain that is broken
  if (!context) return undefined;
  return { file: certName, names: namesOf(leaf), validTo: leaf.validToDate.toISOString(), options, context };
}

function readText(file: string, problems: string[]): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const why = {
      ENOENT: "there is no such file",
      EACCES: "this process may not read it",
      EISDIR: "it is a directory",
    };
    problems.push(`${file}: ${why[codeOf(error) as keyof typeof why] ?? messageOf(error)}`);
    return undefined;
  }
}

function attempt<T>(make: () => T, problem: string, problems: string[]): T | undefined {
  try {
    return make();
  } catch (error) {
    problems.push(`${problem} (${messageOf(error)})`);
    return undefined;
  }
}

/** "DNS:a.test, IP Address:192.0.2.1" → the DNS names. */
function namesOf(certificate: X509Certificate): string[] {
  return Array.from((certificate.subjectAltName ?? "").matchAll(/DNS:([^,"]+)/g), ([, name = ""]) =>
    name.trim().toLowerCase(),
  );
}
