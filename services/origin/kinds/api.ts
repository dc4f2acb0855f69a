import type { ReplicaClient, ReplicaAnswer, QueryResult } from "../replica-client.ts";
import type { TelemetryClient } from "../telemetry-client.ts";
import type { Reply } from "../resp2.ts";
import { factsOf, sendJson } from "./exchange.ts";
import type { Exchange, Pages } from "./exchange.ts";

const filmsOfList = 10;
const users = ["Ada", "Björn", "Chidi", "Dolores", "Emeka", "Fatima"].map((name, i) => ({ id: i + 1, name }));

/** The api servers: users, orders, and a film catalogue that is read from the zone's replicas. */
export class ApiPages implements Pages {
  readonly #replicas: ReplicaClient;
  readonly #telemetry: TelemetryClient;

  constructor(replicas: ReplicaClient, telemetry: TelemetryClient) {
    this.#replicas = replicas;
    this.#telemetry = telemetry;
  }

  answer(exchange: Exchange): void | Promise<void> {
    const { path, method } = exchange;
    this.#telemetry.count("api.requests");
    const reads = method === "GET" || method === "HEAD";
    if (path === "/api/users" && reads) {
      return sendJson(exchange.response, 200, { ...factsOf(exchange), users });
    }
    if (path === "/api/catalog" && reads) return this.#sendList(exchange);
    const id = /^\/api\/catalog\/(\d{1,9})$/.exec(path)?.[1];
    if (id !== undefined && reads) return this.#sendFilm(exchange, id);
    return sendJson(exchange.response, 200, factsOf(exchange));
  }

  drop(): void {
    this.#replicas.drop();
    this.#telemetry.drop();
  }

  status(): Record<string, unknown> {
    return { replicas: this.#replicas.order(), telemetrySent: this.#telemetry.sent };
  }

  async #sendFilm(exchange: Exchange, id: string): Promise<void> {
    const result = await this.#replicas.query(["GET", `film:${Number(id)}`]);
    if (!result.answer) return sendNoReplica(exchange, result);
    const film = filmOf(result.answer.reply);
    const facts = { ...factsOf(exchange), replica: replicaFacts(result.answer, result) };
    if (film === null) return sendJson(exchange.response, 404, { ...facts, error: `there is no film ${id}` });
    return sendJson(exchange.response, 200, { ...facts, film });
  }

  /** Ten films; `?from=` says which is the first. */
  async #sendList(exchange: Exchange): Promise<void> {
    const from = /^\d{1,6}$/.exec(exchange.query.get("from") ?? "")?.[0] ?? "1";
    const keys = Array.from({ length: filmsOfList }, (_, i) => `film:${Number(from) + i}`);
    const result = await this.#replicas.query(["MGET", ...keys]);
    if (!result.answer) return sendNoReplica(exchange, result);
    const { reply } = result.answer;
    const items = reply.kind === "array" ? (reply.items ?? []) : [];
    const films = items.map(filmOf).filter((film) => film !== null);
    const replica = replicaFacts(result.answer, result);
    return sendJson(exchange.response, 200, { ...factsOf(exchange), replica, films });
  }
}

function filmOf(reply: Reply): unknown {
  return reply.kind === "bulk" && reply.bytes ? JSON.parse(Buffer.from(reply.bytes).toString()) : null;
}

function replicaFacts(answer: ReplicaAnswer, result: QueryResult): Record<string, unknown> {
  const { replica, forwarder, local, reused } = answer;
  return { name: replica, forwarder, connection: local, reused, attempts: result.attempts };
}

function sendNoReplica(exchange: Exchange, result: QueryResult): void {
  const reason = result.attempts.at(-1)?.outcome ?? "NO_ENDPOINT";
  const error = "no replica of the zone answered";
  sendJson(exchange.response, 503, { ...factsOf(exchange), error, reason, attempts: result.attempts });
}
