import type { Check } from "./check.ts";
import { checkExec } from "./checks/exec.ts";
import { checkHttp } from "./checks/http.ts";
import { checkTcp } from "./checks/tcp.ts";
import { checkUdp } from "./checks/udp.ts";

/** Every check there is, by the `type` of a health config. */
export const checks = {
  http: checkHttp,
  tcp: checkTcp,
  udp: checkUdp,
  exec: checkExec,
} as const satisfies Record<string, Check>;
