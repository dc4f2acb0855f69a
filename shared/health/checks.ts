import type { Check } from "./check.ts";
import { checkHttp } from "./checks/http.ts";
import { checkTcp } from "./checks/tcp.ts";

/** Every check there is, by the `type` of a health config. */
export const checks = {
  http: checkHttp,
  tcp: checkTcp,
} as const satisfies Record<string, Check>;
