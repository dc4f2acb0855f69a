import { z } from "zod";
import { cidrSchema } from "./common.ts";

const networksMax = 10_000; // in the config itself; more are for a file
const networksSchema = z.array(cidrSchema).max(networksMax);

/** Which clients get in. */
export const accessKeys = {
  allow: networksSchema.min(1).optional().describe("clients of these networks alone; others are answered 403"),
  deny: networksSchema.min(1).optional().describe("never clients of these networks, also where `allow` has them"),
  denyFile: z
    .string()
    .min(1)
    .optional()
    .describe("file with further networks to deny, one a line, # begins a comment; read again when it changes"),
};

/** The same of a listener. */
export const listenerAccessKeys = {
  ...accessKeys,
  onDenied: z
    .enum(["refuse", "close"])
    .default("refuse")
    .describe("refuse: each request is answered 403; close: connections of denied addresses are reset, open ones too"),
};

/** Some of the keys above. */
export interface AccessConfig {
  readonly allow?: readonly string[] | undefined;
  readonly deny?: readonly string[] | undefined;
  readonly denyFile?: string | undefined;
}
