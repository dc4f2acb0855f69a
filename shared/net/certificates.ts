import { X509Certificate, createPrivateKey, hkdfSync, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import tls from "node:tls";
import { UsageError, messageOf, whyUnreadable } from "#shared/core/error.ts";

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

/** One thing that is wrong with a certificate or key, and which key of the config names the file. */
export interface CertificateProblem {
  /** `["certificates", 0, "key"]`, `["clientCa"]` */
  readonly path: readonly (string | number)[];
  readonly expected: string;
  readonly got: string;
  readonly hint: string;
}

/** Certificates that cannot be used: everything that is wrong, a line each, with the name of the file. */
export class CertificateError extends UsageError {
  readonly problems: readonly CertificateProblem[];

  constructor(problems: readonly CertificateProblem[]) {
    super(problems.map(({ expected, got, hint }) => `expected ${expected}, got ${got} (${hint})`).join("\n"));
    this.problems = problems;
  }
}

/** Reads certificates and keys, and checks that each can be used.
 * @param sources files, or what was made without any
 * @throws {CertificateError} with everything that is wrong */
export function readCertificates(
  sources: readonly (CertificateFiles | CertificateTexts)[],
  rules: CertificateRules,
): ReadCertificates {
  const problems: CertificateProblem[] = [];
  const certificates: Certificate[] = [];
  const shared = sharedOptions(rules, problems);
  for (const [i, source] of sources.entries()) {
    const certificate = readCertificate(source, shared, ["certificates", i], problems);
    if (certificate) certificates.push(certificate);
  }
  const [first, ...rest] = certificates;
  if (problems.length > 0) throw new CertificateError(problems);
  if (!first) throw new UsageError("no certificate is given");
  return [first, ...rest];
}

const certificateHint = "a file that begins with -----BEGIN CERTIFICATE-----";
const keyHint = "a file that begins with -----BEGIN PRIVATE KEY-----, without a passphrase";

function sharedOptions(
  { minVersion, clientCa }: CertificateRules,
  problems: CertificateProblem[],
): tls.SecureContextOptions {
  if (clientCa === undefined) return { minVersion };
  const place = { file: clientCa, path: ["clientCa"], expected: "a certificate in PEM", hint: certificateHint };
  const ca = readText(place, problems);
  if (ca === undefined) return { minVersion };
  attempt(() => new X509Certificate(ca), place, problems);
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
  path: CertificateProblem["path"],
  problems: CertificateProblem[],
): Certificate | undefined {
  const texts = "name" in source ? source : undefined;
  const [certName, keyName] = texts ? [texts.name, texts.name] : [source.cert, source.key];
  const certAt = { file: certName, path: [...path, "cert"], expected: "a certificate in PEM", hint: certificateHint };
  const keyAt = { file: keyName, path: [...path, "key"], expected: "a private key in PEM", hint: keyHint };
  const cert = texts ? texts.cert : readText(certAt, problems);
  const key = texts ? texts.key : readText(keyAt, problems);
  const leaf = cert === undefined ? undefined : attempt(() => new X509Certificate(cert), certAt, problems);
  const privateKey = key === undefined ? undefined : attempt(() => createPrivateKey(key), keyAt, problems);
  if (!leaf || !privateKey || cert === undefined || key === undefined) return undefined;
  if (!leaf.checkPrivateKey(privateKey)) {
    const hint = "one of the two was replaced alone";
    const expected = `the key of the certificate in ${certName}`;
    return void problems.push({ path: keyAt.path, expected, got: `another one in ${keyName}`, hint });
  }
  const options = { ...shared, cert, key };
  // Such as a chain that is broken.
  const usable = {
    ...certAt,
    expected: "a certificate that TLS can use",
    hint: "look at its chain and the strength of its key",
  };
  const context = attempt(() => tls.createSecureContext(options), usable, problems);
  if (!context) return undefined;
  return { file: certName, names: namesOf(leaf), validTo: leaf.validToDate.toISOString(), options, context };
}

/** What a file should hold. */
interface Wanted extends Omit<CertificateProblem, "got"> {
  readonly file: string;
}

function readText(wanted: Wanted, problems: CertificateProblem[]): string | undefined {
  try {
    return readFileSync(wanted.file, "utf8");
  } catch (error) {
    return refuse(wanted, whyUnreadable(error), problems);
  }
}

function attempt<T>(make: () => T, wanted: Wanted, problems: CertificateProblem[]): T | undefined {
  try {
    return make();
  } catch (error) {
    return refuse(wanted, messageOf(error), problems);
  }
}

function refuse({ file, path, expected, hint }: Wanted, why: string, problems: CertificateProblem[]): undefined {
  problems.push({ path, expected: `${expected} in ${file}`, got: `none: ${why}`, hint });
  return undefined;
}

/** "DNS:a.test, IP Address:192.0.2.1" → the DNS names. */
function namesOf(certificate: X509Certificate): string[] {
  return Array.from((certificate.subjectAltName ?? "").matchAll(/DNS:([^,"]+)/g), ([, name = ""]) =>
    name.trim().toLowerCase(),
  );
}
