import { z } from "zod";
import { continents, countrySchema, locationSchema, plainNetworkSchema } from "./common.ts";

const regionListSchema = z.array(z.string()).min(1);
const asnSchema = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, "the number of an autonomous system, such as 3320")
  .refine((text) => Number(text) < 2 ** 32, "the number of an autonomous system, below 2^32")
  .meta({ title: "ASN" });

/** A share of the clients of one region that is sent to another. */
const shiftSchema = z.strictObject({
  from: z.string().describe("region that the rules name first for the client"),
  to: z.string().describe("region that comes first instead"),
  percent: z
    .number()
    .min(0)
    .max(100)
    .describe("of the networks that have `from` first; the same ones stay moved while it grows"),
  countries: z.array(countrySchema).min(1).optional().describe("only clients of these"),
  continents: z.array(z.enum(continents)).min(1).optional().describe("only clients of these"),
});
export type ShiftConfig = z.output<typeof shiftSchema>;

/** Which regions serve a client, in order. */
export const steeringSchema = z
  .strictObject({
    networks: z.record(plainNetworkSchema, regionListSchema).default({}).describe("CIDR → regions in order"),
    asns: z.record(asnSchema, regionListSchema).default({}).describe("autonomous system → regions in order"),
    countries: z.record(countrySchema, regionListSchema).default({}).describe("country → regions in order"),
    continents: z
      .partialRecord(z.enum(continents), regionListSchema)
      .default({})
      .describe("continent → regions in order"),
    default: z
      .union([z.literal("nearest"), regionListSchema])
      .default("nearest")
      .describe("for every other client: nearest by coordinates, or regions in order"),
    shift: z
      .array(shiftSchema)
      .max(100) // each is tried for every network of the geo database
      .default([])
      .describe("moves a share of clients to another region; the first that takes a network moves it, once"),
  })
  .prefault({})
  .describe(
    "the first that matches the client: network (the longest), ASN, country, continent, default; then the shifts",
  );
export type SteeringConfig = z.output<typeof steeringSchema>;

/** What steering knows of a region. */
export const regionKeys = {
  location: locationSchema.describe("which region is nearest"),
  capacity: z
    .number()
    .min(0.001)
    .max(1_000)
    .default(1)
    .describe(
      "against the other regions: nearest divides the distance by it, and answers of several regions begin with each as often as it says",
    ),
} as const;

/** Every region that steering names must exist. */
export function steeringMustNameRegions(
  context: z.core.$RefinementCtx,
  regions: Readonly<Record<string, unknown>>,
  steering: SteeringConfig,
): void {
  for (const key of ["networks", "asns", "countries", "continents"] as const)
    for (const [place, list] of Object.entries(steering[key]))
      for (const [i, region] of list.entries()) regionMustExist(context, regions, region, ["steering", key, place, i]);
  for (const [i, { from, to }] of steering.shift.entries()) {
    regionMustExist(context, regions, from, ["steering", "shift", i, "from"]);
    regionMustExist(context, regions, to, ["steering", "shift", i, "to"]);
    if (from === to)
      context.addIssue({
        code: "custom",
        path: ["steering", "shift", i, "to"],
        message: "is the region that is shifted from",
      });
  }
  if (steering.default === "nearest") return;
  for (const [i, region] of steering.default.entries())
    regionMustExist(context, regions, region, ["steering", "default", i]);
}

export function regionMustExist(
  context: z.core.$RefinementCtx,
  regions: Readonly<Record<string, unknown>>,
  name: string,
  path: PropertyKey[],
): void {
  if (Object.hasOwn(regions, name)) return;
  const known = Object.keys(regions).join(", ") || "none";
  context.addIssue({ code: "custom", path, message: `there is no region "${name}" (known: ${known})` });
}
