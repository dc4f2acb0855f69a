import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { crossCheck } from "#shared/config/schema/cross-check.ts";
import { findProblems } from "./zone/build.ts";

/** geodns.yaml, checked down to the data of its records, so that what is wrong with them is told with its place. */
export const checkedGeodnsSchema = crossCheck(geodnsSchema, ({ dnsZones }, context) => {
  for (const { path, message } of findProblems(dnsZones))
    context.addIssue({ code: "custom", path: [...path], message });
});
