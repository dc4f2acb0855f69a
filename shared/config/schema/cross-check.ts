import type { z } from "zod";

/** A check over several keys, such as that a route's pool exists. It also runs where single keys are wrong already, so that all
 * errors come at once; what it cannot read there is passed over, as its error has been said. */
export function crossCheck<Schema extends z.ZodType>(
  schema: Schema,
  check: (value: z.output<Schema>, context: z.core.$RefinementCtx<z.output<Schema>>) => void,
): Schema {
  return schema.superRefine(
    (value, context) => {
      try {
        check(value, context);
      } catch (error) {
        if (context.issues.length === 0) throw error;
      }
    },
    { when: () => true },
  );
}
