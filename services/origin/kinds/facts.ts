import { factsOf, sendJson } from "./exchange.ts";
import type { Exchange, Pages } from "./exchange.ts";

/** Answers everything with what the server knows of the request. */
export class FactsPages implements Pages {
  answer(exchange: Exchange): void {
    sendJson(exchange.response, 200, factsOf(exchange));
  }
}
