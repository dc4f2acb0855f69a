import type { CertificateTexts } from "./certificates.ts";

const dayMs = 86_400_000;
const validDays = 30; // made anew at each start

/** Makes a certificate that signs itself, for demonstrations: no client trusts it, and its subject says what it is.
 * @param names DNS names, "*.x" among them */
export async function makeDemoCertificate(names: readonly string[], nowMs: number): Promise<CertificateTexts> {
  const { generate } = await import("selfsigned"); // large, and seldom needed
  const made = await generate([{ name: "commonName", value: "Watershed demo certificate - do not trust" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(nowMs - dayMs),
    notAfterDate: new Date(nowMs + validDays * dayMs),
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: names.map((value) => ({ type: 2, value })) },
    ],
  });
  return { name: "demo certificate", cert: made.cert, key: made.private };
}
