import { z } from "zod";

const heldBytesMax = 1_048_576; // of one request; many clients may send such a body at once

const fieldCharactersMax = 256; // longer names are no names

/** What a match may ask of a request's body: one field of JSON or of a form. */
export const bodyMatchSchema = z
  .strictObject({
    json: z
      .string()
      .max(fieldCharactersMax)
      .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, "a JSON pointer such as /plan or /items/0/name (RFC 6901)")
      .optional()
      .describe("JSON pointer to a value of a body of application/json or another type that ends in +json"),
    form: z
      .string()
      .min(1)
      .max(fieldCharactersMax)
      .optional()
      .describe("name of a field of a body of application/x-www-form-urlencoded"),
    equals: z.union([z.string(), z.number(), z.boolean()]).describe("its value; of a form always text"),
  })
  .refine(({ json, form }) => (json === undefined) !== (form === undefined), "exactly one of json and form")
  .refine(
    ({ form, equals }) => form === undefined || typeof equals === "string",
    "equals is text where a field of a form is asked (put it in quotes)",
  );
export type BodyMatchConfig = z.output<typeof bodyMatchSchema>;

/** The key `bodyMatchBytes` of limits. */
export function heldBodySchema<Schema extends z.ZodType<number>>(bytes: Schema) {
  return bytes.refine((size) => size >= 1 && size <= heldBytesMax, "a size from 1B to 1MiB");
}
