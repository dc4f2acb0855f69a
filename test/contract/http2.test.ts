import { describe } from "vitest";
import { engines } from "#l7-router/engine/registry.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { describeHttp2Answers } from "./http2/answers.ts";
import { describeHttp2Ends } from "./http2/ends.ts";
import { describeHttp2Failures } from "./http2/failures.ts";
import { describeHttp2Limits } from "./http2/limits.ts";
import { describeHttp2Requests } from "./http2/requests.ts";
import { describeHttp2WebSockets } from "./http2/web-sockets.ts";

for (const engine of Object.keys(engines) as EngineName[]) {
  describe(`HTTP/2 before the engine ${engine}`, () => {
    describeHttp2Requests(engine);
    describeHttp2Answers(engine);
    describeHttp2Failures(engine);
    describeHttp2Limits(engine);
    describeHttp2Ends(engine);
    describeHttp2WebSockets(engine);
  });
}
