import { z } from "zod";

/** Keys of everything that listens with TLS. */

export const certificatesSchema = z
  .array(
    z.strictObject({
      cert: z.string().min(1).describe("file in PEM: the certificate, then its chain"),
      key: z.string().min(1).describe("file in PEM: its private key"),
    }),
  )
  .min(1)
  .max(1_000)
  .describe("chosen by the name that the client asks for (SNI), else the first; files are read again when they change");

export const minVersionSchema = z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.2").describe("older ones are refused");
