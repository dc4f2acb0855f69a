import type { Hono } from "hono";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import type { Timer } from "#shared/core/clock.ts";
import { parseDurationMs } from "#shared/core/duration.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Host } from "#shared/server/service.ts";
import type { Answerer, Client, Transport } from "./answer.ts";
import { decide } from "./decide.ts";
import { describe } from "./explain.ts";
import { rcodeName } from "./wire/codes.ts";

const linesPerSecondMax = 100; // what a log can take beside everything else
const onRequestMsMax = 3_600_000; // a log that was asked for by hand is forgotten by hand

type Instruments = Pick<Host, "clock" | "random" | "log">;

/** Logs one query of so many, chosen by chance: as the config says, or for a while because an operator asked. */
export class QueryLog {
  readonly #host: Instruments;
  #configured: number;
  #share: number;
  #until: Timer | undefined;
  /** Queries to pass over before the next that is logged. */
  #left = 0;
  #second = 0;
  #linesOfSecond = 0;

  constructor({ sample }: GeodnsConfig["queryLog"], host: Instruments) {
    this.#host = host;
    this.#configured = sample;
    this.#share = sample;
    this.#left = this.#gap();
  }

  /** Share of the queries that is logged. */
  get share(): number {
    return this.#share;
  }

  setConfig({ sample }: GeodnsConfig["queryLog"]): void {
    this.#configured = sample;
    if (!this.#until) this.#set(sample);
  }

  /** Until the time is over, then as the config says. */
  setFor(share: number, durationMs: number): void {
    this.#until?.cancel();
    this.#until = this.#host.clock.after(durationMs, () => {
      this.#until = undefined;
      this.#set(this.#configured);
    });
    this.#set(share);
  }

  /** Whether the query just answered is to be logged. Asked for every query. */
  wants(): boolean {
    if (this.#share === 0 || --this.#left > 0) return false;
    this.#left = this.#gap();
    const second = Math.floor(this.#host.clock.nowMs() / 1_000);
    if (second !== this.#second) {
      this.#second = second;
      this.#linesOfSecond = 0;
    }
    return ++this.#linesOfSecond <= linesPerSecondMax;
  }

  /** Decided anew, for the reasons: what is compiled keeps none. */
  write({ query, rcode, snapshot }: Answerer, { address }: Client, transport: Transport): void {
    const client = formatAddress(address);
    const answered = { transport, rcode: rcodeName(rcode) };
    if (!query.hasQuestion) return this.#host.log.info({ client, ...answered }, "query");
    const { name, type, subnet } = query;
    const asker = { client: address, subnet: query.subnetAt > 0 ? { address: subnet } : undefined };
    const ecs = subnet ? `${formatAddress(subnet)}/${query.sourcePrefix}` : undefined;
    const decision = decide({ name, type, class: query.class }, asker, snapshot, true);
    const { service, region, rule, reason, ttl, scope, ...told } = describe(
      { name, type },
      asker,
      ecs,
      decision,
      snapshot,
    );
    const asked = { client, ecs: told["ecs"], name: told["name"], type: told["type"] };
    this.#host.log.info({ ...asked, ...answered, geo: service, region, rule, reason, ttl, scope }, "query");
  }

  stop(): void {
    this.#until?.cancel();
  }

  #set(share: number): void {
    this.#share = share;
    this.#left = this.#gap();
  }

  /** Drawn so that every query has the same chance, whatever came before it. */
  #gap(): number {
    if (this.#share >= 1) return 1;
    return this.#share === 0 ? 0 : 1 + Math.floor(Math.log(1 - this.#host.random()) / Math.log(1 - this.#share));
  }
}

/** `PUT /query-log?sample=0.01&for=10m` */
export function addQueryLogRoute(app: Hono, queryLog: QueryLog): void {
  app.put("/query-log", (c) => {
    const sample = Number(c.req.query("sample") ?? Number.NaN);
    const durationMs = parseDurationMs(c.req.query("for") ?? "10m");
    if (!(sample >= 0 && sample <= 1)) throw new UsageError("query-log needs sample=SHARE, from 0 to 1");
    if (durationMs === undefined || durationMs <= 0 || durationMs > onRequestMsMax)
      throw new UsageError("query-log: for=DURATION, such as 10m, and no more than 1h");
    queryLog.setFor(sample, durationMs);
    return c.json({ sample, forMs: durationMs });
  });
}
